// Package glimpse shows an operator the Socket.IO packets of one connection, as text in which secrets are masked. A
// view holds a bounded number of packets, and never makes a connection wait.
package glimpse
