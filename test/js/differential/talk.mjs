// A conversation over one WebSocket, written down.
import { Frames } from "../support/wire.mjs";

// talk sends messages and gives all that came, and whether the server closed. No clock decides when a conversation is over: it ends
// with questions whose answers come behind everything that the messages set off.
export async function talk(target, messages) {
  const frames = await Frames.open(target);
  const heard = new Heard(frames);
  await heard.until((m) => m.startsWith("0"));
  for (const message of messages) {
    frames.send(message);
    const entering = /^40(\/\w+)?/.exec(String(message));
    if (entering) {
      await heard.until(answers(entering[1]));
    }
  }
  const closed = await heard.theEnd();
  frames.end();
  return { heard: heard.messages, closed };
}

// A namespace answers with CONNECT or CONNECT_ERROR, a query behind its name or not; the main one is not named.
const answers = (namespace = "") => (m) => ["40", "44"].some((type) => m.startsWith(type + namespace) && /[,?{]/.test(m[2 + namespace.length]));

class Heard {
  constructor(frames) {
    this.frames = frames;
    this.messages = [];
    this.closed = false;
  }

  // until takes messages up to one that passes, or the end of the connection.
  async until(wanted) {
    while (!this.closed) {
      const message = await this.frames.next();
      this.closed = message === undefined;
      if (!this.closed) {
        this.messages.push(message);
      }
      if (this.closed || (typeof message === "string" && wanted(message))) {
        return;
      }
    }
  }

  // theEnd asks an event of /echo, behind all events, then for a namespace that is none, behind the rest; their answers are no part of
  // what was heard. A socket that is not in /echo has no events to wait for.
  async theEnd() {
    if (this.#inEcho()) {
      await this.#ask('42/echo,999["echo"]', "43/echo,999[]");
    }
    await this.#ask("40/the-end,{}", '44/the-end,{"message":"Invalid namespace"}');
    return this.closed;
  }

  #inEcho() {
    return this.messages.some((m) => typeof m === "string" && m.startsWith("40/echo,"));
  }

  async #ask(question, answer) {
    if (this.closed) {
      return;
    }
    this.frames.send(question);
    await this.until((m) => m === answer);
    this.messages = this.messages.filter((m) => m !== answer);
  }
}
