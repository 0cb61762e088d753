// Where each message went. The ledger knows what was sent to the rooms and what each stay of each member received, and names
// what is not accounted for.
//
// All times are of one machine's clock, so that they say what came before what. A message is settled when its sender had the
// acknowledgement, or somebody had the message: from then on it has its place in the room's order, and what is sent later
// comes behind it. A stay therefore owes every message of its room that was sent after it began and settled before another
// was sent that it received. What was neither acknowledged nor received may never have reached a server.

// account holds the stays against what was sent. sent are {id, room, at, acked}; acked is a time or undefined. stays are
// {member, room, joined, got: [{id, at}…], told}; told is how many operations the client was told to be missing. failovers
// are the times at which Redis may have lost its newest entries: a message that was under way then may come late.
export function account({ sent, stays, failovers = [] }) {
  const messages = new Map(sent.map((m) => [m.id, { ...m, settled: m.acked ?? Infinity, last: m.at }]));
  const faults = [];
  for (const { got } of stays) {
    for (const { id, at } of got) {
      const m = messages.get(id);
      if (m) {
        m.settled = Math.min(m.settled, at);
        m.last = Math.max(m.last, at);
      }
    }
  }
  for (const m of messages.values()) m.moved = failovers.some((at) => m.at <= at && at <= m.last);
  const byRoom = byRoomOf([...messages.values()]);
  for (const list of byRoom.values()) list.sort((a, b) => a.at - b.at);
  for (const stay of stays) {
    faults.push(...repeated(stay, messages), ...late(stay, messages), ...missing(stay, messages, byRoom.get(stay.room) ?? []));
  }
  for (const some of byRoomOf(stays).values()) faults.push(...disordered(some, messages));
  return faults;
}

function byRoomOf(list) {
  const rooms = new Map();
  for (const one of list) {
    if (!rooms.has(one.room)) rooms.set(one.room, []);
    rooms.get(one.room).push(one);
  }
  return rooms;
}

const where = (stay) => `member ${stay.member} in ${stay.room}`;

function repeated(stay, messages) {
  const seen = new Set();
  return stay.got.flatMap(({ id }) => {
    if (messages.get(id)?.room !== stay.room) return [`${where(stay)}: got ${id}, which nobody has sent there`];
    return seen.size === seen.add(id).size ? [`${where(stay)}: got ${id} twice`] : [];
  });
}

// late finds what came behind something that was sent when it had its place already.
function late(stay, messages) {
  let newest = { at: -Infinity };
  return stay.got.flatMap(({ id }) => {
    const m = messages.get(id);
    if (!m) return [];
    const fault = newest.at > m.settled && !m.moved ? [`${where(stay)}: got ${id} behind ${newest.id}, which was sent later`] : [];
    if (m.at > newest.at) newest = m;
    return fault;
  });
}

function missing(stay, messages, sent) {
  const got = new Set(stay.got.map(({ id }) => id));
  const newest = Math.max(...stay.got.map(({ id }) => messages.get(id)?.at ?? -Infinity));
  const lost = sent.filter((m) => m.at > stay.joined && m.settled < newest && !got.has(m.id));
  return lost.length <= stay.told ? [] : lost.map((m) => `${where(stay)}: ${m.id} is missing, ${stay.told} were told of`);
}

// disordered holds the stays in a room against the longest ones: two messages come in one order everywhere.
function disordered(stays, messages) {
  const longest = stays.toSorted((a, b) => b.got.length - a.got.length).slice(0, 3);
  return longest.flatMap((reference) => {
    const place = new Map(reference.got.map(({ id }, i) => [id, i]));
    return stays.flatMap((stay) => {
      let before = { place: -1 };
      return stay.got.flatMap(({ id }) => {
        const at = place.get(id);
        if (at === undefined || messages.get(id)?.moved) return [];
        const fault = at < before.place ? [`${where(stay)}: got ${id} behind ${before.id}, member ${reference.member} before it`] : [];
        before = { place: at, id };
        return fault;
      });
    });
  });
}
