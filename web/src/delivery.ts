import type { Outbox, Outgoing } from "./outbox.ts";
import { type Accepted, type Failure, type Reply, passes } from "./protocol.ts";

export interface DeliveryOptions {
  outbox: Outbox;
  // Why the server would not take it, when that is known before it is sent.
  check: (entry: Outgoing) => Failure | undefined;
  // Asks the server; rejects when no answer came.
  send: (entry: Outgoing) => Promise<Reply<Accepted>>;
  // Waits before a message is tried again that the server has put off.
  pause: (millis: number) => Promise<void>;
  accepted: (entry: Outgoing, as: Accepted) => void;
  refused: (entry: Outgoing, error: Failure) => void;
  changed: () => void;
}

const shortestPause = 1_000;

// Delivery empties the outbox over one connection: per room one message after the other, each when the one
// before it was answered.
export class Delivery {
  private readonly options: DeliveryOptions;
  private ended = false;

  constructor(options: DeliveryOptions) {
    this.options = options;
  }

  // The connection is gone. Answers that still come are ignored.
  end(): void {
    this.ended = true;
  }

  // Sends what waits for a room. Returns at once when that is under way: the outbox gives out nothing then.
  async run(room: string): Promise<void> {
    const { outbox } = this.options;
    for (let entry = outbox.next(room); entry && !this.ended; entry = outbox.next(room)) {
      await this.deliver(entry);
      if (this.ended) {
        return;
      }
      this.options.changed();
    }
  }

  private async deliver(entry: Outgoing): Promise<void> {
    const { outbox, check, send, accepted, refused } = this.options;
    const unfit = check(entry);
    if (unfit) {
      refused(entry, unfit);
      return;
    }
    const reply = await send(entry).catch(() => undefined);
    if (this.ended) {
      return;
    }
    if (!reply) {
      outbox.unanswered(entry.nonce);
    } else if (reply.ok) {
      outbox.acknowledged(entry.nonce, reply);
      accepted(entry, reply);
    } else {
      await this.refused(entry, reply.error);
    }
  }

  private async refused(entry: Outgoing, error: Failure): Promise<void> {
    const { outbox, pause, refused } = this.options;
    if (!passes(error)) {
      refused(entry, error);
      return;
    }
    await pause(Math.max(shortestPause, error.retryAfterMs ?? 0));
    if (!this.ended) {
      outbox.unanswered(entry.nonce);
    }
  }
}
