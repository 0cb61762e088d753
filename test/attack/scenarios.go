package main

// relayed is a configured namespace.
const relayed = `
namespaces:
  /app:
    methods: [token]
    rooms: [{match: "{id}", join: "true", send: "true"}]
`

// scenarios are the attacks, in the order of the table in docs/robustness.md.
var scenarios = []scenario{
	{name: "stranger-attachments", who: "stranger", memory: 250, attack: strangersAttachments,
		what: "1,500 connections: an event with ten attachments before admission, the tenth unfinished"},
	{name: "stranger-half-frames", who: "stranger", memory: 250, attack: strangersHalfFrames,
		what: "1,500 connections: a frame of 60 KB without its last byte"},
	{name: "stranger-silent", who: "stranger", memory: 250, attack: silent,
		what: "1,500 connections that never sign in and come again when they are closed"},
	{name: "pings-unread", who: "stranger", memory: 250, attack: pingsUnread,
		what: "200 connections: 10,000 PING frames a second each, whose PONGs nobody reads"},
	{name: "pings-read", who: "stranger", memory: 250, attack: pingsRead,
		what: "1,500 connections: 100 PING frames a second each"},
	{name: "bombs", who: "stranger", memory: 250, attack: bombs, settings: "compression: {websocket: \"on\"}\n",
		what: "100 connections: 500 compressed frames a second each that inflate to 60 KB"},
	{name: "bodies-never-come", who: "stranger", memory: 100, files: 300, attack: bodiesThatNeverCome,
		what: "600 connections at 300 files: half a request, or nothing"},
	{name: "wrong-tokens", who: "stranger", memory: 250, near: true, attack: wrongTokens,
		what: "1,000 wrong tokens a second from everybody's address"},
	{name: "stuck-log", who: "stranger", memory: 250, near: true, silent: true, attack: wrongTokens,
		what: "the same while nobody reads the log"},
	{name: "failing-credentials", who: "stranger", memory: 250, attack: failingCredentials, prepare: backEnd,
		what: "1,000 credentials a second that the back end answers with 500, beside good ones"},
	{name: "wrong-passwords", who: "stranger", memory: 250, near: true, attack: wrongPasswords, prepare: passwords,
		what: "wrong passwords from 100 addresses, beside the right one"},
	{name: "user-attachments", who: "user", memory: 250, attack: userAttachments,
		what: "100 connections of one user: ten attachments of 990 KB, the last unfinished"},
	{name: "disconnects", who: "user", memory: 250, attack: disconnects,
		what: "50 members of a room of 800 leave and come back each second, 100 type"},
	{name: "typing", who: "user", memory: 250, attack: typing,
		what: "one user types 30 times a second in a room of 2,000"},
	{name: "joins", who: "user", memory: 250, attack: joins,
		what: "20 connections of one user join a room with 200 KB of history 50 times a second each"},
	{name: "busy", who: "user", memory: 250, attack: busy,
		what: "400 connections of one user ask as fast as they are answered"},
	{name: "many-numbers", who: "user", memory: 350, attack: manyNumbers,
		what: "10 connections of one user: events of half a million numbers, 5 a second each"},
	{name: "refreshes", who: "user", memory: 250, attack: refreshes,
		what: "20 connections of one user: 1,000 refused refreshes a second each"},
	{name: "texts", who: "user", memory: 350, attack: texts,
		what: "one user sends 4,000 characters at full speed into a room of 200 who read 2 MB a second each"},
	{name: "texts-to-few", who: "user", memory: 64, attack: textsToFew,
		what: "the same, 12 KB each, into a room of 10 who read 200 KB a second each"},
	{name: "hoarders", who: "user", memory: 350, attack: hoarders,
		what: "600 polling sessions of one user never fetch what waits for them"},
	{name: "relay-flood", who: "user", memory: 250, attack: relayFlood, settings: relayed,
		what: "20 connections of one user send 1 KB at full speed in a namespace of the configuration, beside two who talk there"},
	{name: "many-rooms", who: "user", memory: 250, attack: manyRooms,
		what: "10 connections of one user open 1,024 rooms each"},
}
