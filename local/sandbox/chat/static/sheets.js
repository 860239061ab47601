// What opens above the chats: payment, choice of a file or a person, an alert, a picture.

import { act, fileUrl, read } from "./api.js";
import { avatar, make, money } from "./dom.js";

const sheet = (name) => document.getElementById(name);

const RESULTS = {
  paid: "Оплачено. Бот уже знает об этом.",
  declined: "Оплата не прошла: на счёте не хватило звёзд.",
  timeout: "Бот не подтвердил оплату за десять секунд. Звёзды не списаны.",
};

function opened(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

export function alertSheet(text) {
  const dialog = sheet("alert-sheet");
  dialog.querySelector("p").textContent = text;
  return opened(dialog);
}

// bill: {link} or {chat_id, message_id}; shown: {title, description, currency, total}.
export async function payInvoice(bill, person, shown) {
  const dialog = sheet("invoice-sheet");
  const [pay, decline] = dialog.querySelectorAll(".pay, .decline");
  const result = dialog.querySelector(".result");
  dialog.querySelector("h2").textContent = shown.title;
  dialog.querySelector(".description").textContent = shown.description;
  pay.textContent = `Заплатить ${money(shown.total, shown.currency)}`;
  result.hidden = true;
  const settle = async (declined) => {
    pay.disabled = decline.disabled = true;
    result.hidden = false;
    result.textContent = "Бот подтверждает оплату…";
    try {
      const paid = await act("POST", "/pay", { ...bill, user_id: person, decline: declined });
      result.textContent = RESULTS[paid.status] ?? `Бот отказал: ${paid.error_message}`;
      pay.hidden = decline.hidden = paid.status === "paid";
    } catch (error) {
      result.textContent = error.message;
    }
    pay.disabled = decline.disabled = false;
  };
  pay.disabled = decline.disabled = pay.hidden = decline.hidden = false;
  pay.onclick = () => settle(false);
  decline.onclick = () => settle(true);
  return opened(dialog);
}

export async function payLink(link, person) {
  const slug = link.split("/").at(-1);
  return payInvoice({ link }, person, await read(`/invoices/${slug}`));
}

// A page of the sandbox's own: where the shops of YooKassa and Stripe are paid.
export function webPage(url) {
  const dialog = sheet("web-sheet");
  const frame = dialog.querySelector("iframe");
  frame.onload = () => {
    // The way back leads to the shop: here, to the chat.
    const back = frame.contentDocument?.querySelector("a.back");
    back?.addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  };
  frame.src = url;
  dialog.querySelector("header button").onclick = () => dialog.close();
  const closed = opened(dialog);
  closed.then(() => frame.removeAttribute("src"));
  return closed;
}

export async function choosePerson(title, store, allowNew) {
  const dialog = sheet("person-sheet");
  dialog.querySelector("h2").textContent = title;
  const people = [...store.people.values()].map((person) =>
    make("li", {}, make("button", { value: person.id }, avatar(person.id, person.first_name), store.name(person.id))));
  if (allowNew) people.push(make("li", {}, make("button", { value: "new" }, make("span", { className: "avatar plus" }, "+"), "Новый человек")));
  dialog.querySelector("ul").replaceChildren(...people);
  const chosen = await opened(dialog);
  if (chosen === "new") return store.addPerson();
  return chosen ? Number(chosen) : null;
}

// The files to send and how: {files, kind, caption}, or null. files: what is chosen already.
export async function chooseFiles(files, caption) {
  const dialog = sheet("attach-sheet");
  const form = dialog.querySelector("form");
  const [list, source, input] = ["ul.chosen", ".source", "input[type=file]"].map((each) => dialog.querySelector(each));
  const urls = [];
  let chosen = [];
  const choose = (more) => {
    chosen = more;
    list.replaceChildren(...more.map((file) => {
      const url = URL.createObjectURL(file);
      urls.push(url);
      const image = make("img", { src: url, alt: file.name, title: file.name });
      image.onerror = () => image.replaceWith(make("span", {}, file.name));
      return make("li", {}, image);
    }));
    source.hidden = more.length > 0;
    for (const each of form.querySelectorAll(".buttons button")) each.disabled = !more.length;
  };
  input.value = "";
  input.onchange = () => choose([...input.files].slice(0, 10));
  for (const each of dialog.querySelectorAll("[data-sample]")) {
    each.onclick = async () => {
      const blob = await (await fetch(each.dataset.sample)).blob();
      choose([new File([blob], each.dataset.sample.split("/").at(-1), { type: blob.type })]);
    };
  }
  form.elements.caption.value = caption;
  choose(files);
  const kind = await opened(dialog);
  for (const url of urls) URL.revokeObjectURL(url);
  return kind && chosen.length ? { files: chosen, kind, caption: form.elements.caption.value } : null;
}

export function view(message) {
  const dialog = sheet("viewer");
  const clip = message.animation ?? message.video;
  const shown = clip
    ? make("video", { src: fileUrl(clip.file_id), autoplay: true, loop: true, muted: true, controls: true, playsInline: true })
    : make("img", { src: fileUrl(message.photo.at(-1).file_id), alt: message.caption ?? "Фото" });
  dialog.querySelector("figure").replaceChildren(shown, ...(message.caption ? [make("figcaption", {}, message.caption)] : []));
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  return opened(dialog).then(() => dialog.querySelector("figure").replaceChildren());
}
