// Reads questions as lines of JSON and prints one answer for each.
//
//   {"name", "frames": ["text" | {"$binary": base64}, …]}    -> {"name", "packets": […], "error"?}
//   {"name", "packet": {type, nsp, id?, data?}}              -> {"name", "frames": […]}
//
// Bytes inside a packet are written {"$binary": base64} too.
import { createInterface } from "node:readline";
import { Decoder, Encoder } from "socket.io-parser";

const toBytes = (key, value) =>
  value !== null && typeof value === "object" && typeof value.$binary === "string"
    ? Buffer.from(value.$binary, "base64")
    : value;

function fromBytes(value) {
  if (Buffer.isBuffer(value)) return { $binary: value.toString("base64") };
  if (Array.isArray(value)) return value.map(fromBytes);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fromBytes(member)]));
}

function decode(frames) {
  const packets = [];
  const decoder = new Decoder();
  decoder.on("decoded", (packet) => packets.push(fromBytes(packet)));
  try {
    for (const frame of frames) decoder.add(frame);
    return { packets };
  } catch (error) {
    return { packets, error: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line, toBytes);
  const answer = question.frames
    ? decode(question.frames)
    : { frames: new Encoder().encode(question.packet).map(fromBytes) };
  console.log(JSON.stringify({ name: question.name, ...answer }));
}
