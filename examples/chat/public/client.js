const socket = io();
const $ = (id) => document.getElementById(id);

let me; // the name, once joined
let quiet; // the timer that ends our own notice of typing
const typing = new Set();

const line = (text) => $("messages").append(Object.assign(document.createElement("li"), { textContent: text }));
const show = (users) => ($("users").textContent = users.join(", "));
const notice = () => ($("typing").textContent = typing.size ? `${[...typing].join(", ")} is typing …` : "");

function join() {
  socket.emit("join", me, (reply) => {
    if (reply.error) {
      me = undefined;
      return line(reply.error.message);
    }
    show(reply.users);
    $("join").hidden = true;
    $("say").hidden = false;
  });
}

$("join").addEventListener("submit", (e) => {
  e.preventDefault();
  me = $("name").value;
  join();
});

$("say").addEventListener("submit", (e) => {
  e.preventDefault();
  socket.emit("say", $("text").value);
  socket.emit("typing", false);
  $("text").value = "";
});

$("text").addEventListener("input", () => {
  socket.emit("typing", true);
  clearTimeout(quiet);
  quiet = setTimeout(() => socket.emit("typing", false), 1000);
});

socket.on("connect", () => me && join()); // a new connection has no name yet
socket.on("disconnect", () => line("The connection is lost; trying again."));

socket.on("said", (name, text) => line(`${name}: ${text}`));
socket.on("joined", (name, users) => {
  line(`${name} joined`);
  show(users);
});
socket.on("left", (name, users) => {
  line(`${name} left`);
  show(users);
  typing.delete(name);
  notice();
});
socket.on("typing", (name, on) => {
  typing[on ? "add" : "delete"](name);
  notice();
});
