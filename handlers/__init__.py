"""One module for each tag of the contract: values out of the request, one call, one answer."""
