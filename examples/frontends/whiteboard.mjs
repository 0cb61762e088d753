// The back end of ../whiteboard/public: it remembers what is on the board.
import { refuse, serve } from "./hook.mjs";

const most = 5000; // strokes
let strokes = [];

const place = (p) => Array.isArray(p) && p.length === 2 && p.every(Number.isFinite);
const everybody = "board"; // the room that the configuration puts everybody into

serve(({ type, socket, event, args }) => {
  if (type === "connect") return { emit: [{ socket, event: "board", args: [strokes] }] };
  switch (event) {
    case "stroke": {
      const { from, to, ink } = args[0] ?? {};
      if (!place(from) || !place(to) || !/^#[0-9a-f]{6}$/i.test(ink)) return refuse("A stroke has from, to and ink.");
      strokes = [...strokes.slice(1 - most), { from, to, ink }];
      return { emit: [{ to: everybody, except: [socket], event, args: [{ from, to, ink }] }] };
    }
    case "clear":
      strokes = [];
      return { emit: [{ to: everybody, event: "board", args: [strokes] }] };
  }
});
