// What pages can do beyond links and forms; each of them works without it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1200);
});

// A second click while the first is on its way: the form's key would refuse it anyway.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});

// A filter applies as soon as it is chosen.
document.addEventListener("change", (event) => {
  const bar = event.target.closest("form[data-filters]");
  if (bar && event.target.matches("select, input[type=date]")) bar.requestSubmit();
});
