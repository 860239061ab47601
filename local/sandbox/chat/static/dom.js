// Elements made and found in few words.

export function make(tag, properties = {}, ...children) {
  const { dataset, style, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  Object.assign(element.style, style);
  element.append(...children.filter((each) => each !== null && each !== undefined && each !== ""));
  return element;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function avatar(id, name) {
  return make("span", { className: `avatar c${Math.abs(id) % 7}`, ariaHidden: "true" }, [...name][0] ?? "?");
}

export const time = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString("ru", { hour: "2-digit", minute: "2-digit" });

const DAY = { day: "numeric", month: "long" };
export const day = (seconds) => new Date(seconds * 1000).toLocaleDateString("ru", DAY);

export function size(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} КБ`;
  return `${(bytes / 1e6).toLocaleString("ru", { maximumFractionDigits: 1 })} МБ`;
}

// 1 звезда, 2 звезды, 5 звёзд
export function plural(number, one, few, many) {
  const ten = number % 10;
  const hundred = number % 100;
  if (ten === 1 && hundred !== 11) return `${number} ${one}`;
  return `${number} ${ten >= 2 && ten <= 4 && (hundred < 12 || hundred > 14) ? few : many}`;
}

export const money = (total, currency) =>
  currency === "XTR"
    ? plural(total, "звезда", "звезды", "звёзд")
    : (total / 100).toLocaleString("ru", { style: "currency", currency });
