// Package glimpse shows an operator what goes over one connection: its Socket.IO packets as text, with the secrets in them
// masked. A view holds nothing of a client that does not fit its bounds, and never makes a connection wait.
package glimpse
