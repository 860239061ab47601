// One message, or the messages of one album, as a bubble with its buttons.

import { fileUrl } from "./api.js";
import { icon, make, money, size, time } from "./dom.js";
import { rich } from "./text.js";

const ALBUM = 10;

// How messages come together: an album is one group, everything else stands alone.
export function groups(messages) {
  const found = [];
  for (const message of messages) {
    const last = found.at(-1);
    const album = message.media_group_id;
    if (album && last?.[0].media_group_id === album && last.length < ALBUM) last.push(message);
    else found.push([message]);
  }
  return found;
}

// actions: open(url), command(text), view(message), press(message, button, element), pay(message),
// name(message). Own messages are those of `me`.
export function bubble(group, me, actions) {
  const [first] = group;
  const service = serviceText(first);
  if (service) return make("div", { className: "message service", dataset: { id: first.message_id } }, make("span", {}, service));
  const mine = first.from?.id === me && !first.from.is_bot;
  const box = make("div", { className: "bubble" });
  const author = mine ? null : actions.name(first);
  if (author) box.append(make("strong", { className: "author" }, author));
  if (first.forward_origin) box.append(make("span", { className: "forwarded" }, "Переслано: " + originOf(first.forward_origin)));
  if (first.reply_to_message) box.append(quote(first.reply_to_message, actions));
  const shown = group.flatMap((message) => mediaOf(message, actions));
  if (shown.length) box.append(make("div", { className: `media n${Math.min(group.length, 4)}` }, ...shown));
  if (first.invoice) box.append(invoice(first.invoice));
  const words = group.find((message) => message.text || message.caption);
  if (words) {
    const entities = words.entities ?? words.caption_entities;
    box.append(make("div", { className: "text" }, rich(words.text ?? words.caption, entities, actions)));
  }
  box.append(stamp(group.at(-1), mine));
  const holder = make("div", { className: mine ? "message mine" : "message", dataset: { id: first.message_id } }, box);
  if (!words && !first.invoice && !first.document) holder.classList.add("bare");
  const keyboard = group.at(-1).reply_markup?.inline_keyboard;
  if (keyboard) holder.append(buttons(group.at(-1), keyboard, actions));
  return holder;
}

function stamp(message, mine) {
  const edited = message.edit_date ? "изменено " : "";
  const stamped = make("time", { className: "stamp" }, edited + time(message.date));
  if (mine) stamped.append(icon("read"));
  return stamped;
}

function mediaOf(message, actions) {
  if (message.photo) {
    const largest = message.photo.at(-1);
    const image = make("img", { src: fileUrl(largest.file_id), alt: message.caption || "Фото" });
    return [tile("button", largest, { type: "button", ariaLabel: "Открыть фото", onclick: () => actions.view(message) }, image)];
  }
  const clip = message.animation ?? message.video;
  if (clip) {
    const looping = Boolean(message.animation);
    const video = make("video", { src: fileUrl(clip.file_id), loop: looping, autoplay: looping, muted: looping, controls: !looping, playsInline: true, preload: "metadata" });
    if (clip.thumbnail && !looping) video.poster = fileUrl(clip.thumbnail.file_id);
    if (!looping) return [tile("div", clip, {}, video)];
    const badge = make("span", { className: "badge" }, "GIF");
    return [tile("button", clip, { type: "button", ariaLabel: "Открыть видео", onclick: () => actions.view(message) }, video, badge)];
  }
  return message.document ? [file(message.document)] : [];
}

// As large as it will be before it is loaded, so that nothing moves when it comes.
function tile(tag, { width, height }, properties, ...children) {
  const known = width > 0 && height > 0;
  const ratio = known ? Math.min(Math.max(width / height, 0.45), 2.4) : 1;
  const element = make(tag, { className: "tile", ...properties, style: { aspectRatio: String(ratio) } }, ...children);
  element.style.setProperty("--wide", `${Math.round(Math.min(400, 420 * ratio))}px`);
  return element;
}

function file(document) {
  const cover = document.thumbnail
    ? make("img", { src: fileUrl(document.thumbnail.file_id), alt: "" })
    : icon("file");
  const names = make("span", {}, make("strong", {}, document.file_name ?? "Файл"), make("small", {}, size(document.file_size)));
  return make("a", { className: "file", href: fileUrl(document.file_id), target: "_blank", rel: "noopener", download: document.file_name ?? "" }, make("span", { className: "cover" }, cover), names);
}

function invoice(bill) {
  return make("div", { className: "invoice" },
    make("strong", {}, bill.title),
    make("span", {}, bill.description),
    make("b", {}, money(bill.total_amount, bill.currency)));
}

function quote(message, actions) {
  const who = actions.name(message) || message.from?.first_name || "";
  return make("div", { className: "quote" }, make("strong", {}, who), make("span", {}, preview(message)));
}

function buttons(message, rows, actions) {
  return make("div", { className: "buttons" }, ...rows.map((row) =>
    make("div", { className: "row" }, ...row.map((each) => button(message, each, actions)))));
}

function button(message, each, actions) {
  if (each.url) {
    return make("a", { href: each.url, target: "_blank", rel: "noopener", onclick: (event) => { event.preventDefault(); actions.open(each.url); } }, each.text, icon("out"));
  }
  const element = make("button", { type: "button" }, each.text);
  element.onclick = () => (each.pay ? actions.pay(message) : actions.press(message, each, element));
  return element;
}

function serviceText(message) {
  const paid = message.successful_payment;
  const refunded = message.refunded_payment;
  if (paid) return `Вы оплатили ${money(paid.total_amount, paid.currency)} ⭐`;
  if (refunded) return `Вам вернули ${money(refunded.total_amount, refunded.currency)} ⭐`;
  if (message.pinned_message) return `Бот закрепил: ${preview(message.pinned_message)}`;
  return "";
}

function originOf(origin) {
  return origin.sender_user?.first_name ?? origin.sender_user_name ?? origin.chat?.title ?? origin.sender_chat?.title ?? "";
}

// A line for lists and quotes.
export function preview(message) {
  if (!message) return "";
  const kind = message.photo ? "Фото" : message.animation ? "GIF" : message.video ? "Видео" : message.document ? "Файл" : message.invoice ? "Счёт" : "";
  const words = message.text ?? message.caption ?? serviceText(message);
  return [kind, words].filter(Boolean).join(" · ").replaceAll("\n", " ");
}
