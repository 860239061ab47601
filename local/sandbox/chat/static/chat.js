// The page: people on the left, one or more of their messengers on the right.

import { Column } from "./column.js";
import { avatar, make, time } from "./dom.js";
import { preview } from "./message.js";
import { choosePerson, payLink, webPage } from "./sheets.js";
import { Store } from "./store.js";

const MOST_COLUMNS = 3;
const store = new Store();
const columns = [];
const unread = new Map();
const place = document.getElementById("columns");

const app = {
  open: openUrl,
  beside: (column) => beside(column),
  close: (column) => {
    columns.splice(columns.indexOf(column), 1);
    column.element.remove();
    changed();
  },
  showPeople: () => document.body.classList.add("people-shown"),
};

function addColumn(person) {
  const column = new Column(store, app, person);
  columns.push(column);
  place.append(column.element);
  column.draw(); // once more: only now has it a height to scroll in
  changed();
  return column;
}

function show(person) {
  document.body.classList.remove("people-shown");
  const shown = columns.find((column) => column.person === person);
  if (shown) shown.focus();
  else columns.at(-1).show(person);
  unread.delete(person);
  changed();
  return columns.find((column) => column.person === person);
}

async function beside() {
  const free = [...store.people.keys()].filter((id) => !columns.some((column) => column.person === id));
  addColumn(free[0] ?? (await store.addPerson()));
}

function changed() {
  place.dataset.columns = columns.length;
  history.replaceState(null, "", `#${columns.map((column) => column.person).join(",")}`);
  for (const column of columns) {
    column.element.querySelector(".close").hidden = columns.length < 2;
    column.element.querySelector(".beside").hidden = columns.length >= MOST_COLUMNS;
  }
  drawPeople();
}

function drawPeople() {
  const rows = [...store.people.values()].map((person) => {
    const last = store.last(person.id);
    const count = unread.get(person.id);
    const line = person.blocked ? "бот заблокирован" : preview(last) || "сообщений пока нет";
    return make("li", {},
      make("button", { type: "button", className: columns.some((column) => column.person === person.id) ? "on" : "", dataset: { person: person.id }, onclick: () => show(person.id) },
        avatar(person.id, person.first_name),
        make("span", { className: "names" }, make("b", {}, store.name(person.id)), make("small", {}, line)),
        make("span", { className: "meta" }, last ? make("time", {}, time(last.date)) : "", count ? make("span", { className: "count" }, count) : "")));
  });
  document.getElementById("people-list").replaceChildren(...rows);
}

// Links of a messenger stay in it: to the bot with a start code, to channels, to pages that are paid.
async function openUrl(url, column) {
  const target = new URL(url, location.href);
  if (target.origin === location.origin) {
    if (target.pathname.startsWith("/telegram/invoice/")) return payLink(url, column.person);
    if (/^\/(yookassa|stripe)\/pay\//.test(target.pathname)) return webPage(url);
  }
  if (target.host !== "t.me") return window.open(url, "_blank", "noopener");
  if (target.pathname === "/share/url") return openUrl(target.searchParams.get("url") ?? "", column);
  const name = target.pathname.split("/")[1].toLowerCase();
  if (name === store.bot.username.toLowerCase()) return openBot(target.searchParams.get("start") ?? "");
  const chat = [...store.chats.values()].find((each) => each.username?.toLowerCase() === name);
  if (chat) return column.show(column.person, chat.id);
  return column.toast(`В песочнице нет @${name}`);
}

async function openBot(parameter) {
  const person = await choosePerson("Кто открывает ссылку?", store, true);
  if (person) show(person).offerStart(parameter);
}

function follow({ detail: entry }) {
  for (const column of columns) column.handle(entry);
  const { kind, chat_id: chat } = entry;
  if (kind === "message" && !columns.some((column) => column.chat === chat) && entry.message.from?.is_bot) {
    unread.set(chat, (unread.get(chat) ?? 0) + 1);
  }
  if (kind !== "action") drawPeople();
}

document.getElementById("new-person").onclick = async () => show(await store.addPerson());
document.getElementById("close-people").onclick = () => document.body.classList.remove("people-shown");
document.getElementById("theme").onclick = () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
};

await store.load();
if (!store.people.size) await store.addPerson();
const wanted = new URLSearchParams(location.search);
const asked = location.hash.slice(1).split(",").map(Number).filter((id) => store.people.has(id));
for (const id of asked.length ? asked.slice(0, MOST_COLUMNS) : [[...store.people.keys()][0]]) addColumn(id);
if (wanted.has("start")) columns[0].offerStart(wanted.get("start"));
store.addEventListener("any", follow);
store.addEventListener("loaded", () => columns.forEach((column) => column.draw()));
store.follow();
