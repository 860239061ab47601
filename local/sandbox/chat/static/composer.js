// Where a person writes: the text, files, commands, the bot's keyboard, and what stands instead.

import { act, upload } from "./api.js";
import { make } from "./dom.js";
import { chooseFiles } from "./sheets.js";

const MEMBERS = ["member", "administrator", "creator"];

export class Composer {
  start = ""; // the parameter of /start, if a link brought this person here
  #column; #store;

  // column: its element, person, chat, attempt(action).
  constructor(column, store) {
    this.#column = column;
    this.#store = store;
    this.#wireForm();
    this.#wireDrop();
  }

  draw() {
    const offer = this.#offers().find(([wanted]) => wanted);
    const wide = this.#find("button.wide");
    wide.hidden = !offer;
    this.#form.hidden = Boolean(offer);
    if (offer) [wide.textContent, wide.onclick] = [offer[1], offer[2]];
    wide.classList.toggle("quiet", offer?.[1] === "Отписаться");
    this.#find(".menu").hidden = Boolean(this.#chat) || !this.#store.commands.length;
    this.#drawKeyboard(Boolean(offer));
  }

  say(text) {
    return this.#column.attempt(() => act("POST", `/users/${this.#column.person}/say`, { text, chat_id: this.#column.chat }));
  }

  focus() {
    this.#form.elements.text.focus();
  }

  get #chat() {
    return this.#store.chats.get(this.#column.chat);
  }

  get #form() {
    return this.#find("form");
  }

  get #writable() {
    return !this.#form.hidden;
  }

  #find(selector) {
    return this.#column.element.querySelector(selector);
  }

  // What a person is offered instead of writing: [whether, label, action].
  #offers() {
    const { person, chat } = this.#column;
    const known = this.#chat;
    const member = MEMBERS.includes(this.#store.status(chat, person));
    const become = (what) => () => this.#column.attempt(() => act("POST", `/users/${person}/${what}`, { chat }));
    if (known) {
      const channel = known.type === "channel";
      return [[channel && member, "Отписаться", become("leave")], [!member, channel ? "Подписаться" : "Вступить в группу", become("join")]];
    }
    const unblock = () => this.#column.attempt(() => act("POST", `/users/${person}/unblock`));
    const fresh = !this.#store.messages(chat).length;
    return [[this.#store.people.get(person)?.blocked, "Разблокировать", unblock], [fresh || this.start, "Начать", () => this.#begin()]];
  }

  #begin() {
    const parameter = this.start;
    this.start = "";
    this.say(parameter ? `/start ${parameter}` : "/start");
  }

  #drawKeyboard(hidden) {
    const own = this.#column.chat === this.#column.person;
    const rows = own && !hidden ? this.#store.keyboards.get(this.#column.chat)?.keyboard ?? [] : [];
    const place = this.#find(".keyboard");
    place.replaceChildren(...rows.map((row) => make("div", { className: "row" }, ...row.map((button) =>
      make("button", { type: "button", onclick: () => this.say(button.text) }, button.text)))));
    place.hidden = !rows.length;
  }

  #wireForm() {
    const input = this.#form.elements.text;
    this.#form.onsubmit = (event) => { event.preventDefault(); this.#submit(); };
    input.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.#submit(); }
    };
    input.oninput = () => this.#grow();
    input.onpaste = (event) => {
      const files = [...event.clipboardData.files];
      if (files.length) { event.preventDefault(); this.#attach(files); }
    };
    this.#find(".attach").onclick = () => this.#attach([]);
    this.#find(".menu").onclick = () => this.#toggleCommands();
    this.#column.element.addEventListener("click", (event) => {
      if (!event.target.closest(".commands, .menu")) this.#find(".commands").hidden = true;
    });
  }

  #wireDrop() {
    const drop = this.#find(".drop");
    const element = this.#column.element;
    const files = (event) => [...(event.dataTransfer?.items ?? [])].some((item) => item.kind === "file");
    element.ondragenter = (event) => { if (files(event) && this.#writable) drop.hidden = false; };
    element.ondragover = (event) => { if (files(event)) event.preventDefault(); };
    element.ondragleave = (event) => { if (!element.contains(event.relatedTarget)) drop.hidden = true; };
    element.ondrop = (event) => {
      event.preventDefault();
      drop.hidden = true;
      const kind = event.target.closest("[data-kind]")?.dataset.kind ?? "photo";
      const dropped = [...event.dataTransfer.files];
      if (dropped.length && this.#writable) this.#send(dropped, kind, "");
    };
  }

  #toggleCommands() {
    const list = this.#find(".commands");
    list.hidden = !list.hidden;
    list.replaceChildren(...this.#store.commands.map((each) =>
      make("button", { type: "button", onclick: () => { list.hidden = true; this.say(`/${each.command}`); } },
        make("b", {}, `/${each.command}`), make("span", {}, each.description))));
  }

  #submit() {
    const input = this.#form.elements.text;
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    this.#grow();
    this.say(text);
  }

  #grow() {
    const input = this.#form.elements.text;
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
  }

  async #attach(files) {
    const input = this.#form.elements.text;
    const chosen = await chooseFiles(files, input.value);
    if (!chosen) return;
    input.value = "";
    await this.#send(chosen.files, chosen.kind, chosen.caption);
  }

  #send(files, kind, caption) {
    const form = new FormData();
    form.set("kind", kind);
    form.set("chat_id", this.#column.chat);
    if (caption) form.set("caption", caption);
    for (const file of files) form.append("file", file);
    return this.#column.attempt(() => upload(`/users/${this.#column.person}/say`, form));
  }
}
