const socket = io();
const canvas = document.getElementById("board");
const pen = canvas.getContext("2d");

function draw({ from, to, ink }) {
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(from[0] * canvas.width, from[1] * canvas.height);
  pen.lineTo(to[0] * canvas.width, to[1] * canvas.height);
  pen.stroke();
}

const place = (e) => [e.offsetX / canvas.clientWidth, e.offsetY / canvas.clientHeight];

let last; // where the pen is down
canvas.addEventListener("pointerdown", (e) => (last = place(e)));
canvas.addEventListener("pointermove", (e) => {
  if (!last) return;
  const stroke = { from: last, to: place(e), ink: document.getElementById("color").value };
  draw(stroke);
  socket.emit("stroke", stroke);
  last = stroke.to;
});
addEventListener("pointerup", () => (last = undefined));
document.getElementById("clear").addEventListener("click", () => socket.emit("clear"));

socket.on("stroke", draw);
socket.on("board", (strokes) => {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  strokes.forEach(draw);
});
