// A back end that uses the interface through the types of its description: what is not in them does not compile.
import createClient from "openapi-fetch";
import type { paths } from "./interface.js";

export async function work(url: string, key: string) {
  const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });
  const published = await api.POST("/api/v1/publish", {
    params: { header: { "Idempotency-Key": "one" } },
    body: { namespace: "/app", rooms: ["doc:7"], event: "updated", data: { v: 2 }, store: true },
  });
  const sockets = await api.GET("/api/v1/namespaces/{ns}/sockets", { params: { path: { ns: "/app" }, query: { room: "doc:7" } } });
  const history = await api.GET("/api/v1/namespaces/{ns}/rooms/{room}/history", { params: { path: { ns: "/app", room: "doc:7" } } });
  const nowhere = await api.GET("/api/v1/namespaces/{ns}/rooms", { params: { path: { ns: "/nowhere" } } });
  const ended = await api.POST("/api/v1/namespaces/{ns}/disconnect", { params: { path: { ns: "/app" } }, body: { users: ["ada"] } });
  // @ts-expect-error a list is asked for
  await api.POST("/api/v1/namespaces/{ns}/disconnect", { params: { path: { ns: "/app" } }, body: { users: "ada" } });
  return {
    queued: published.data?.queued,
    users: sockets.data?.sockets.map((socket) => socket.user),
    kept: history.data?.entries.map((entry) => entry.event),
    refused: nowhere.error?.error.code,
    selected: ended.data?.selected,
  };
}
