// The sandbox's controls, as docs/sandbox.md lists them.

const ROOT = "/control/telegram";

async function call(path, options) {
  const answer = await fetch(ROOT + path, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.description || body.error || `Ошибка ${answer.status}`);
  return body;
}

export function read(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(parameters).toString();
  return call(query ? `${path}?${query}` : path, { signal });
}

export function act(method, path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return call(path, { method, headers, body: JSON.stringify(body) });
}

export function upload(path, form) {
  return call(path, { method: "POST", body: form });
}

export const fileUrl = (fileId) => `/chat/files/${fileId}`;
