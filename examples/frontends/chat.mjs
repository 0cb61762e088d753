// The back end of ../chat/public: who is called what, and who is there.
import { refuse, serve } from "./hook.mjs";

const names = new Map(); // by socket
const users = () => [...names.values()].sort();

serve(({ type, socket, event, args }) => {
  const me = names.get(socket);
  if (type === "disconnect") {
    names.delete(socket);
    return me && { emit: [{ to: "members", event: "left", args: [me, users()] }] };
  }
  switch (event) {
    case "join": {
      const name = typeof args[0] === "string" ? args[0].trim() : "";
      if (!name || name.length > 32) return refuse("A name has 1 to 32 characters.");
      if (me) return refuse("You have a name already.");
      names.set(socket, name);
      return { join: ["members"], emit: [{ to: "members", except: [socket], event: "joined", args: [name, users()] }], ack: [{ users: users() }] };
    }
    case "say": {
      const [text] = args;
      if (!me || typeof text !== "string" || !text || text.length > 2000) return refuse("Join first, and say something of at most 2000 characters.");
      return { emit: [{ to: "members", event: "said", args: [me, text] }] };
    }
    case "typing":
      return me && { emit: [{ to: "members", except: [socket], event: "typing", args: [me, Boolean(args[0])], volatile: true }] };
  }
});
