// Package glimpse shows an operator the Socket.IO packets of one connection, as text in which secrets are masked. A view
// has bounds for the packets that it holds, and never makes a connection wait.
package glimpse
