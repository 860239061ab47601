"""Replicate, fal.ai, Polza.ai and ComfyUI simulated: their HTTP, but a simple effect for a model.

What comes out is made from the photo that was sent: a picture with more contrast, a slow zoom. Each
of the four is an EngineSandbox: `api` is true to the wire, `control` is ours.
"""
