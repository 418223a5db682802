// The service's routes, called from this page. Every error is a Problem with what the service says.

const KEY = "lagem-key";
const RETRY_MS = 1000;
const MOST_FAILURES = 20;

export class Problem extends Error {
  constructor({ detail, suggestion = null, param = null, code = "unreachable", ...rest }) {
    super(detail);
    Object.assign(this, { detail, suggestion, param, code, retryable: false, ...rest });
  }
}

/** JSON whose seeds, of up to 64 bits, stay exact: those too long for a number are strings. */
export function parseJson(content) {
  return JSON.parse(content.replace(/("seed":\s*)(\d{16,})/g, '$1"$2"'));
}

/** An address of the service, wherever the page was mounted; paths may begin with a slash. */
export function addressOf(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), document.baseURI);
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  return url;
}

export class Api {
  /** askForKey: given the Problem of a 401, promises whether there is a key to try again with. */
  constructor(askForKey) {
    this.askForKey = askForKey;
    this.asking = null;
  }

  get key() {
    return sessionStorage.getItem(KEY);
  }

  set key(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  }

  async json(path, { query, ...options } = {}) {
    return parseJson(await (await this.request(path, query, options)).text());
  }

  /** Send a request that becomes a job, once however often it is sent. */
  submit(path, query, body) {
    const words = crypto.getRandomValues(new Uint32Array(4));
    const headers = {
      Prefer: "respond-async",
      "Idempotency-Key": Array.from(words, (word) => word.toString(16)).join("-"),
    };
    if (body) headers["Content-Type"] = "application/octet-stream";
    return this.json(path, { query, method: "POST", headers, body });
  }

  /** A file of the service's; where a job must make it first, when that is done. */
  async file(path, query = {}, signal = undefined) {
    const response = await this.request(path, query, { signal });
    if (response.status !== 202) return response.blob();
    const job = parseJson(await response.text());
    for await (const { kind, data } of this.events(job.id, signal))
      if (kind === "error") throw new Problem(data.error);
    const made = await this.request(path, query, { signal });
    if (made.status !== 202) return made.blob();
    throw new Problem({ detail: "The file is not there yet.", suggestion: "Try again in a moment." });
  }

  async bytes(path, signal = undefined) {
    return (await this.file(path, {}, signal)).arrayBuffer();
  }

  /** A response that is no error. Throws Problem, or AbortError. */
  async request(path, query = {}, { headers = {}, ...options } = {}) {
    const key = this.key;
    const credentials = key ? { "X-API-Key": key } : {};
    let response;
    try {
      response = await fetch(addressOf(path, query), {
        ...options,
        headers: { ...headers, ...credentials },
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({
        detail: "The service cannot be reached.",
        suggestion: "Check that it runs, then try again.",
        retryable: true,
      });
    }
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401) {
      const known = this.key !== key; // another request asked meanwhile
      if (known || (await this.#askOnce(problem))) return this.request(path, query, { headers, ...options });
    }
    throw problem;
  }

  /** However many requests need a key, the user is asked by one dialog. */
  #askOnce(problem) {
    this.asking ??= this.askForKey(problem).finally(() => (this.asking = null));
    return this.asking;
  }

  /** What happens to a job, to its end: {kind, data}. It goes on where a connection broke. */
  async *events(jobId, signal = undefined) {
    let last = null;
    let pause = RETRY_MS;
    for (let failures = 0; ; ) {
      try {
        const headers = last === null ? {} : { "Last-Event-ID": last };
        const response = await this.request(`jobs/${jobId}/events`, {}, { headers, signal });
        if (response.status === 204) return;
        for await (const message of messages(response.body)) {
          pause = message.retry ?? pause;
          last = message.id ?? last;
          if (!message.data) continue;
          failures = 0;
          yield { kind: message.event, data: parseJson(message.data) };
          if (message.event === "done" || message.event === "error") return;
        }
      } catch (error) {
        const broken = error instanceof TypeError || (error instanceof Problem && error.retryable);
        if (!broken || ++failures > MOST_FAILURES) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      signal?.throwIfAborted();
    }
  }
}

async function problemOf(response) {
  try {
    return new Problem(parseJson(await response.text()));
  } catch {
    return new Problem({ detail: `The service answered with status ${response.status}.` });
  }
}

/** The messages of a stream of server-sent events. */
async function* messages(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let message = {};
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        if (line.trim() === "") {
          yield message;
          message = {};
        } else readField(line.replace(/\r$/, ""), message);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function readField(line, message) {
  const colon = line.indexOf(":");
  if (colon === 0) return; // a comment
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data") message.data = message.data === undefined ? value : `${message.data}\n${value}`;
  if (name === "id" || name === "event") message[name] = value;
  if (name === "retry" && /^\d+$/.test(value)) message.retry = Number(value);
}
