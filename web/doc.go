// Package web is the browser's side of Gatehouse, inside the binary: the demo pages, built by Vite from
// the TypeScript beside this file, and the JavaScript client that /socket.io/ hands out.
//
// It promises three things. The pages load nothing from elsewhere and run under a Content-Security-Policy
// that allows no inline script, no inline style and no string turned into markup. Everything is served
// with a validator and, where it was compressed at build time, in gzip. And the package compiles from a
// clean clone: before npm has run, the pages answer 503 and say how to build them; the client is there.
package web
