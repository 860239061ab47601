// One person's messenger: the chats of the bot, its channels and groups, and a place to write.

import { act } from "./api.js";
import { Composer } from "./composer.js";
import { avatar, day, icon, make } from "./dom.js";
import { bubble, groups } from "./message.js";
import { alertSheet, payInvoice, view } from "./sheets.js";

const ACTIONS = {
  typing: "печатает", upload_photo: "отправляет фото", upload_video: "отправляет видео",
  record_video: "снимает видео", upload_document: "отправляет файл",
};

export class Column {
  #store; #app; #composer; #toastTimer;
  #waiting = new Map(); // query id: the button that was pressed

  // app: open(url, column), beside(column), close(column), showPeople().
  constructor(store, app, person) {
    this.#store = store;
    this.#app = app;
    this.element = document.getElementById("t-column").content.firstElementChild.cloneNode(true);
    this.#wire();
    this.#composer = new Composer(this, store);
    this.show(person);
  }

  show(person, chat = person) {
    this.person = person;
    this.chat = chat;
    this.#composer.start = "";
    this.#find(".toast").hidden = true;
    this.draw();
  }

  draw() {
    const isBot = this.chat === this.person;
    const chat = this.#store.chats.get(this.chat);
    this.#find("h2").textContent = isBot ? this.#store.bot.first_name : chat?.title || `@${chat?.username}`;
    this.#find(".avatar").replaceWith(isBot ? make("span", { className: "avatar bot" }, icon("play")) : avatar(this.chat, chat?.title || "#"));
    const name = this.#store.name(this.person);
    this.#find(".who").replaceChildren(avatar(this.person, name), make("b", {}, name));
    this.element.setAttribute("aria-label", name);
    this.#drawChats();
    this.#drawLog();
    this.#composer.draw();
    this.#drawStatus();
  }

  handle(entry) {
    if (entry.kind === "answer" && entry.user_id === this.person) return this.#answered(entry);
    if (entry.kind === "world") return this.draw();
    if (entry.chat_id !== this.chat) return undefined;
    if (entry.kind === "message" || entry.kind === "edit") this.#place(entry.message);
    if (entry.kind === "delete") this.#drawLog();
    if (entry.kind === "reaction" && entry.reaction.length) this.toast(`Бот: ${entry.reaction[0]}`);
    if (entry.kind === "keyboard" || entry.kind === "message") this.#composer.draw();
    return this.#drawStatus();
  }

  focus() {
    this.#composer.focus();
  }

  // For a start link that this person follows.
  offerStart(parameter) {
    this.show(this.person);
    this.#composer.start = parameter;
    this.#composer.draw();
  }

  toast(text) {
    const toast = this.#find(".toast");
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => { toast.hidden = true; }, 4000);
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #wire() {
    const find = (selector) => this.#find(selector);
    find(".beside").onclick = () => this.#app.beside(this);
    find(".close").onclick = () => this.#app.close(this);
    find(".people-open").onclick = () => this.#app.showPeople();
    find(".block").onclick = () => this.attempt(() => act("POST", `/users/${this.person}/${this.#blocked ? "unblock" : "block"}`));
    find(".down").onclick = () => this.#toBottom();
    find(".log").onscroll = () => { find(".down").hidden = this.#atBottom; };
  }

  get #blocked() {
    return Boolean(this.#store.people.get(this.person)?.blocked);
  }

  get #atBottom() {
    const log = this.#find(".log");
    return log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  }

  #toBottom() {
    const log = this.#find(".log");
    log.scrollTop = log.scrollHeight;
  }

  #drawChats() {
    const shown = [...this.#store.chats.values()].filter((chat) => chat.username);
    const tab = (id, label) => make("button", { type: "button", className: id === this.chat ? "on" : "", ariaPressed: String(id === this.chat), onclick: () => this.show(this.person, id) }, label);
    const nav = this.#find(".chats");
    nav.replaceChildren(tab(this.person, "Бот"), ...shown.map((chat) => tab(chat.id, chat.title || `@${chat.username}`)));
    nav.hidden = !shown.length;
  }

  #drawLog() {
    const parts = [];
    let today = "";
    for (const group of groups(this.#store.messages(this.chat))) {
      if (day(group[0].date) !== today) {
        today = day(group[0].date);
        parts.push(make("div", { className: "message service", dataset: { day: today } }, make("span", {}, today)));
      }
      parts.push(this.#bubble(group));
    }
    if (!parts.length) parts.push(this.#welcome());
    this.#find(".log").replaceChildren(...parts);
    this.#toBottom();
  }

  #welcome() {
    const hint = this.chat === this.person ? this.#store.description || "Нажмите «Начать», и бот ответит." : "Здесь пока тихо.";
    return make("div", { className: "welcome" }, make("span", { className: "avatar bot" }, icon("play")), make("p", {}, hint));
  }

  // New at the end, changed in its place, without touching what plays elsewhere.
  #place(message) {
    const log = this.#find(".log");
    const follow = this.#atBottom || message.from?.id === this.person;
    const group = groups(this.#store.messages(this.chat)).find((each) => each.some((one) => one.message_id === message.message_id));
    if (!group) return;
    if (!log.querySelector(`[data-day="${day(message.date)}"]`)) { this.#drawLog(); return; }
    const old = log.querySelector(`[data-id="${group[0].message_id}"]`);
    const fresh = this.#bubble(group);
    if (old) old.replaceWith(fresh);
    else { fresh.classList.add("new"); log.append(fresh); }
    if (follow) this.#toBottom();
  }

  #bubble(group) {
    const group_chat = this.chat !== this.person;
    return bubble(group, this.person, {
      open: (url) => this.#app.open(url, this),
      command: (text) => this.#composer.say(text),
      view,
      press: (message, button, element) => this.#press(message, button, element),
      pay: (message) => payInvoice({ chat_id: this.chat, message_id: message.message_id }, this.person,
        { ...message.invoice, total: message.invoice.total_amount }),
      name: (message) => (group_chat ? message.from?.first_name ?? message.sender_chat?.title : ""),
    });
  }

  #drawStatus() {
    const doing = this.#store.actions.get(this.chat)?.action;
    const chat = this.#store.chats.get(this.chat);
    const kind = !chat ? "бот" : chat.type === "channel" ? "канал" : "группа";
    const status = this.#find(".status");
    status.textContent = doing ? ACTIONS[doing] ?? "занят" : this.#blocked && !chat ? "заблокирован вами" : kind;
    status.classList.toggle("busy", Boolean(doing));
    const block = this.#find(".block");
    block.hidden = Boolean(chat);
    block.replaceChildren(icon(this.#blocked ? "unlock" : "lock"));
    block.title = block.ariaLabel = this.#blocked ? "Разблокировать бота" : "Заблокировать бота";
  }

  async #press(message, button, element) {
    element.classList.add("waiting");
    await this.attempt(async () => {
      const pressed = await act("POST", `/users/${this.person}/press`, { chat_id: this.chat, message_id: message.message_id, data: button.callback_data });
      this.#waiting.set(pressed.query_id, element);
      setTimeout(() => this.#release(pressed.query_id), 15000);
    });
  }

  #release(query) {
    this.#waiting.get(query)?.classList.remove("waiting");
    this.#waiting.delete(query);
  }

  #answered(entry) {
    this.#release(entry.query_id);
    if (entry.url) this.#app.open(entry.url, this);
    if (!entry.text) return undefined;
    return entry.alert ? alertSheet(entry.text) : this.toast(entry.text);
  }

  // Do it; what is refused is told.
  async attempt(action) {
    try {
      await action();
    } catch (error) {
      this.toast(error.message.includes("IMAGE_PROCESS_FAILED") ? "Это не фото: отправьте файлом" : error.message);
    }
  }
}
