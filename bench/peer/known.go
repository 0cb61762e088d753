package peer

import (
	"path/filepath"
	"slices"

	"gatehouse/bench/client"
)

// The peers that have a part of their own.
const (
	Product   = "gatehouse" // the peer that has targets
	Reference = "node"      // the peer that all ratios refer to
)

// Known returns all peers, the product first, for a checkout at root.
func Known(root string) []Peer {
	return slices.Concat(ours(root), javaScript(root), inGo(root), floors(root))
}

// ours is the product, and the product as where io_uring is denied: a call of its
// own for each write.
func ours(root string) []Peer {
	product := Peer{
		Name: Product, Title: "Gatehouse", dir: root,
		prepare:  []step{{command: []string{"go", "build", "-o", "bin/gatehouse", "./cmd/gatehouse"}}},
		command:  []string{"bin/gatehouse", "serve", "--addr", "127.0.0.1:0"},
		Protocol: client.SocketIO{},
		secret:   "GATEHOUSE_JWT_HMAC_SECRET", env: []string{
			"GATEHOUSE_ECHO_ENABLED=true",
			"GATEHOUSE_DOOR_MAX_CONNECTIONS=19000", // of the 20,000 files that many machines allow
		},
		tls: secured{cert: "GATEHOUSE_TLS_CERT_FILE", key: "GATEHOUSE_TLS_KEY_FILE"},
	}
	writing := product
	writing.Name, writing.Title, writing.Aside = "write", "Gatehouse without io_uring", true
	writing.env = append(slices.Clone(product.env), "GATEHOUSE_ENGINE_IO_URING=off")
	return []Peer{product, writing}
}

// bench are the variables of the servers that are written for the comparison.
var bench = secured{cert: "BENCH_TLS_CERT", key: "BENCH_TLS_KEY"}

func javaScript(root string) []Peer {
	peers := filepath.Join(root, "bench", "peers")
	install := step{unless: "node_modules", command: []string{"npm", "ci", "--no-audit", "--no-fund"}}
	peer := func(name, title, folder string, command []string, more ...step) Peer {
		return Peer{
			Name: name, Title: title, dir: filepath.Join(peers, folder), command: command,
			prepare: append([]step{install}, more...), Protocol: client.SocketIO{},
			secret: "BENCH_HMAC_SECRET", tls: bench,
		}
	}
	return []Peer{
		peer(Reference, "Node, socket.io 4.8.4 with ws", "node", []string{"node", "server.mjs"}),
		peer("uws", "Node, socket.io 4.8.4 with µWebSockets", "uws", []string{"./start.sh"},
			step{unless: "glibc", command: []string{"./glibc.sh"}}),
		peer("bun", "Bun 1.4.5, bun-engine 0.1.2", "bun", []string{"node_modules/.bin/bun", "server.mjs"}),
	}
}

func inGo(root string) []Peer {
	peers := filepath.Join(root, "bench", "peers")
	const channels = "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_"
	return []Peer{
		{
			Name: "centrifugo", Title: "Centrifugo 6.9.1, its own protocol", dir: filepath.Join(peers, "centrifugo"),
			prepare:  []step{{command: []string{"go", "build", "-o", "centrifugo", "github.com/centrifugal/centrifugo/v6"}}},
			command:  []string{"./centrifugo"},
			Protocol: client.Centrifugo{}, without: []string{"echo", "poll"},
			secret: "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY", port: "CENTRIFUGO_HTTP_SERVER_PORT",
			tls: secured{
				cert: "CENTRIFUGO_HTTP_SERVER_TLS_CERT_PEM", key: "CENTRIFUGO_HTTP_SERVER_TLS_KEY_PEM",
				env: []string{"CENTRIFUGO_HTTP_SERVER_TLS_ENABLED=true"},
			},
			env: []string{
				"CENTRIFUGO_HTTP_SERVER_ADDRESS=127.0.0.1",
				channels + "HISTORY_SIZE=200", channels + "HISTORY_TTL=1h", channels + "PRESENCE=true",
				channels + "ALLOW_SUBSCRIBE_FOR_CLIENT=true", channels + "ALLOW_PUBLISH_FOR_SUBSCRIBER=true",
				channels + "ALLOW_PRESENCE_FOR_SUBSCRIBER=true",
			},
		},
		{
			Name: "zishang3", Title: "Go, zishang520/socket.io 3.0.6", dir: filepath.Join(peers, "zishang3"),
			prepare: []step{{command: []string{"./build.sh"}}},
			command: []string{"./zishang3"}, Protocol: client.SocketIO{}, secret: "BENCH_HMAC_SECRET", tls: bench,
		},
		{
			Name: "zishang", Title: "Go, zishang520/socket.io 2.5.0", dir: filepath.Join(peers, "zishang"),
			prepare: []step{{command: []string{"go", "build", "-o", "zishang", "."}}},
			command: []string{"./zishang"}, Protocol: client.SocketIO{}, secret: "BENCH_HMAC_SECRET", tls: bench,
		},
	}
}

// floors are programs that show the least cost of a server's writes.
func floors(root string) []Peer {
	floor := func(name, title, mode string) Peer {
		return Peer{
			Name: name, Title: title, Aside: true, dir: filepath.Join(root, "bench"),
			prepare: []step{{command: []string{"go", "build", "-o", "peers/floor/floor", "./peers/floor"}}},
			command: []string{"peers/floor/floor"}, Protocol: client.SocketIO{},
			secret: "BENCH_HMAC_SECRET", env: []string{"BENCH_FLOOR=" + mode},
			only: []string{"burst", "paced", "large"},
		}
	}
	return []Peer{
		floor("floor", "bare loop of write(2)", "write"),
		floor("floor-uring", "bare loop of io_uring", "io_uring"),
	}
}
