// Package relay makes namespaces from a configuration: who may enter, which rooms
// there are, who may join them and send to them, and which back end answers the
// rest. Nothing is allowed that no rule allows: a room name alone opens nothing.
//
// Rules are expressions in CEL (https://cel.dev): they are type-checked when the
// server starts, have no side effects and a cost limit, and one that fails refuses.
// Patterns name rooms: in "doc:{org}:{id}" the parts in braces match anything but a
// colon and become variables of the rule. The first pattern that fits decides.
package relay
