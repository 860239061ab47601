// A text with its entities as elements. Offsets count UTF-16 units, as strings here do.

import { make } from "./dom.js";

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "pre",
  blockquote: "blockquote",
  expandable_blockquote: "blockquote",
};

// open(url) and command(text) are called for links and bot commands.
export function rich(text, entities = [], { open, command }) {
  return inside(text, 0, text.length, entities, { open, command });
}

function inside(text, start, end, entities, actions) {
  const parts = document.createDocumentFragment();
  const rest = entities.filter((each) => each.offset >= start && each.offset + each.length <= end);
  let place = start;
  while (rest.length) {
    const outer = rest.shift();
    if (outer.offset < place) continue;
    const until = outer.offset + outer.length;
    const inner = rest.filter((each) => each.offset < until);
    parts.append(text.slice(place, outer.offset));
    const element = elementFor(outer, text.slice(outer.offset, until), actions);
    element.append(inside(text, outer.offset, until, inner, actions));
    parts.append(element);
    place = until;
  }
  parts.append(text.slice(place, end));
  return parts;
}

function elementFor(entity, shown, { open, command }) {
  const link = (url) =>
    make("a", { href: url, target: "_blank", rel: "noopener", onclick: (event) => { event.preventDefault(); open(url); } });
  switch (entity.type) {
    case "text_link": return link(entity.url);
    case "url": return link(shown.includes("://") ? shown : `https://${shown}`);
    case "mention": return link(`https://t.me/${shown.slice(1)}`);
    case "bot_command": return make("button", { type: "button", className: "command", onclick: () => command(shown) });
    case "spoiler": return make("button", { type: "button", className: "spoiler", onclick: (event) => event.currentTarget.classList.add("open") });
    case "hashtag": return make("span", { className: "tag" });
    case "text_mention": case "email": return make("span", { className: "tag" });
    default: return make(TAGS[entity.type] ?? "span");
  }
}
