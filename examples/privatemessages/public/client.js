const socket = io({ autoConnect: false });
const $ = (id) => document.getElementById(id);
const people = new Map(); // by id
let me;

function show() {
  const chosen = $("to").value;
  $("to").replaceChildren(
    ...[...people.values()]
      .filter(({ id }) => id !== me.id)
      .map(({ id, name, connected }) => new Option(connected ? name : `${name} (away)`, id)),
  );
  if (people.has(chosen)) $("to").value = chosen;
}

function line({ from, to, text }) {
  const name = (id) => people.get(id)?.name ?? "somebody";
  $("messages").append(Object.assign(document.createElement("li"), { textContent: `${name(from)} to ${name(to)}: ${text}` }));
}

function enter(auth) {
  socket.auth = auth;
  socket.connect();
}

$("enter").addEventListener("submit", (e) => {
  e.preventDefault();
  enter({ name: $("name").value });
});

$("write").addEventListener("submit", (e) => {
  e.preventDefault();
  const message = { to: $("to").value, text: $("text").value };
  socket.emit("private message", message);
  line({ from: me.id, ...message });
  $("text").value = "";
});

socket.on("session", ({ session, person }) => {
  me = person;
  socket.auth = { session, name: person.name }; // for the next reconnect, and for a reload of this tab
  sessionStorage.setItem("session", JSON.stringify(socket.auth));
  $("state").textContent = `You are ${me.name}.`;
  $("enter").hidden = true;
  $("write").hidden = false;
});
socket.on("people", (all) => {
  people.clear();
  all.forEach((person) => people.set(person.id, person));
  show();
});
socket.on("person connected", (person) => {
  people.set(person.id, { ...person, connected: true });
  show();
});
socket.on("person disconnected", (id) => {
  if (people.has(id)) people.get(id).connected = false;
  show();
});
socket.on("private message", line);
socket.on("connect_error", (err) => ($("state").textContent = err.message));

const kept = sessionStorage.getItem("session");
if (kept) enter(JSON.parse(kept));
