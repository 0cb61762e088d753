// What the server tells the page: answers, and streams of server-sent events. EventSource cannot send a key, so a stream is
// read with fetch (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

export interface Told {
  event: string;
  data: unknown;
}

// What the server answered when it said no. status is 0 when nobody answered.
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Server {
  key = "";

  async ask<T>(path: string): Promise<T> {
    const response = await this.request(path);
    return (await response.json()) as T;
  }

  // Yields what is told until the server ends it or the signal does.
  async *follow(path: string, signal: AbortSignal): AsyncGenerator<Told> {
    const response = await this.request(path, signal);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const parser = new Parser();
    const text = new TextDecoder();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          return;
        }
        yield* parser.take(text.decode(value, { stream: true }));
      }
    } finally {
      void reader.cancel().catch(() => undefined);
    }
  }

  private async request(path: string, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = this.key === "" ? {} : { Authorization: `Bearer ${this.key}` };
    let response: Response;
    try {
      response = await fetch(path, { headers, cache: "no-store", signal: signal ?? null });
    } catch (err) {
      throw signal?.aborted ? err : new Refused(0, "The server does not answer.");
    }
    if (!response.ok) {
      throw new Refused(response.status, await reasonOf(response));
    }
    return response;
  }
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error?: { message?: string } };
    return error?.message ?? `The server answers ${response.status}.`;
  } catch {
    return `The server answers ${response.status}.`;
  }
}

// Parser takes events apart, however the text comes.
export class Parser {
  private rest = "";

  *take(text: string): Generator<Told> {
    const parts = (this.rest + text).split("\n\n");
    this.rest = parts.pop() ?? "";
    for (const part of parts) {
      const lines = part.split("\n");
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      const data = field("data");
      if (data !== "") {
        yield { event: field("event"), data: JSON.parse(data) };
      }
    }
  }
}
