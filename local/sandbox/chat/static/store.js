// What the page knows of the sandbox: people, chats, messages; kept true by following its journal.

import { act, read } from "./api.js";

const NAMES = ["Вера", "Григорий", "Дарья", "Егор", "Жанна", "Захар", "Инна", "Кирилл", "Лидия", "Мирон"];
const WAIT_SECONDS = 25;
const LOOK_SECONDS = 2; // while no bot is there: one that starts is seen soon

export class Store extends EventTarget {
  people = new Map();
  chats = new Map();
  members = new Map();
  keyboards = new Map();
  actions = new Map(); // chat: what the bot is doing
  commands = [];
  description = "";
  bot = {};
  #messages = new Map();
  #last = 0;
  #hasBot = true;

  async load() {
    const world = await read("/world");
    this.#last = world.last;
    this.#take(world);
    this.#messages.clear();
    const chats = [...this.people.keys(), ...this.chats.keys()];
    await Promise.all(chats.map((chat) => this.#loadChat(chat)));
    this.#tell("loaded", {});
  }

  async follow() {
    for (;;) {
      try {
        const wait = this.#hasBot ? WAIT_SECONDS : LOOK_SECONDS;
        const news = await read("/journal", { after: this.#last, wait });
        this.#connected(true);
        this.#answered(news.has_bot);
        for (const entry of news.happened) await this.#apply(entry);
        this.#last = news.last;
      } catch (error) {
        this.#connected(false);
        await new Promise((resolve) => setTimeout(resolve, 1500));
        // Another sandbox may answer now, which counts from one again.
        await this.load().catch(() => {});
      }
    }
  }

  messages(chat) {
    return [...(this.#messages.get(chat)?.values() ?? [])];
  }

  last(chat) {
    return this.messages(chat).at(-1);
  }

  status(chat, person) {
    return this.members.get(`${chat}:${person}`) ?? "left";
  }

  name(id) {
    const person = this.people.get(id);
    return [person?.first_name, person?.last_name].filter(Boolean).join(" ") || String(id);
  }

  async addPerson() {
    const taken = new Set([...this.people.values()].map((person) => person.first_name));
    const id = Math.max(500, ...this.people.keys()) + 1;
    const name = NAMES.find((each) => !taken.has(each)) ?? `Гость ${id}`;
    await act("PUT", `/users/${id}`, { first_name: name, language_code: "ru" });
    await this.#refresh();
    return id;
  }

  #take(world) {
    this.#answered(world.has_bot);
    this.bot = world.bot;
    this.commands = world.commands;
    this.description = world.description;
    this.people = new Map(world.people.map((each) => [each.id, each]));
    this.chats = new Map(world.chats.map((each) => [each.id, each]));
    this.members = new Map(world.members.map((m) => [`${m.chat_id}:${m.user_id}`, m.status]));
  }

  async #refresh() {
    this.#take(await read("/world"));
    this.#tell("world", {});
  }

  async #loadChat(chat) {
    const found = await read(`/chats/${chat}/messages`, { limit: 200 });
    this.#messages.set(chat, new Map(found.messages.map((each) => [each.message_id, each])));
    if (found.keyboard) this.keyboards.set(chat, found.keyboard);
  }

  async #apply(entry) {
    const chat = entry.chat_id;
    const known = this.#messages.get(chat) ?? new Map();
    this.#messages.set(chat, known);
    if (entry.kind === "message" || entry.kind === "edit") {
      known.set(entry.message.message_id, entry.message);
      if (!this.people.has(chat) && !this.chats.has(chat)) await this.#refresh();
      if (entry.kind === "message") this.#act(chat, null);
    } else if (entry.kind === "delete") known.delete(entry.message_id);
    else if (entry.kind === "keyboard") this.keyboards.set(chat, entry.keyboard);
    else if (entry.kind === "action") this.#act(chat, entry.action);
    else if (!["answer", "reaction"].includes(entry.kind)) await this.#refresh();
    this.#tell(entry.kind, entry);
  }

  // As in Telegram: seen for five seconds, or until a message comes.
  #act(chat, action) {
    clearTimeout(this.actions.get(chat)?.timer);
    this.actions.delete(chat);
    if (action) {
      const timer = setTimeout(() => { this.actions.delete(chat); this.#tell("action", { chat_id: chat }); }, 5000);
      this.actions.set(chat, { action, timer });
    }
  }

  #connected(yes) {
    document.getElementById("offline").hidden = yes;
  }

  #answered(yes) {
    this.#hasBot = yes;
    document.getElementById("no-bot").hidden = yes;
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
    this.dispatchEvent(new CustomEvent("any", { detail: { kind, ...detail } }));
  }
}
