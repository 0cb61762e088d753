package packet

import "runtime"

// notCounted is the number of attachments of a text in which placeholders mean nothing.
const notCounted = -1

// scanner checks one JSON text (RFC 8259) in a single pass without recursion: the nesting lives in a fixed set of bits, so
// that hostile nesting costs no stack. It does not allocate. UTF-8 has been checked by its caller.
type scanner struct {
	text        []byte
	depth       int // containers open now
	maxDepth    int
	attachments int // announced by the packet, or notCounted

	objects [HighestMaxDepth / 64]uint64       // bit n: container n is an object
	named   [HighestMaxAttachments / 64]uint64 // bit n: a placeholder for attachment n was seen
	found   int                                // placeholders seen

	rested int // index at which other goroutines were last let run
}

// restBytes is how much a scanner checks before it lets other goroutines run: half a million numbers take longer than
// others should wait for a processor.
const restBytes = 32 << 10

// array scans an array that begins at i, and adds to ends where each of its elements ends. Every attachment must have its
// placeholder in it. Nothing but white space may follow.
func (s *scanner) array(i int, ends []uint32) ([]uint32, error) {
	s.depth = 1
	i, ends, err := s.elements(i+1, ends)
	if err != nil {
		return nil, err
	}
	if i = skipSpace(s.text, i); i < len(s.text) {
		return nil, refuse(TrailingBytes, i)
	}
	if s.attachments > s.found {
		return nil, refuse(PlaceholderMissing, i)
	}
	return ends, nil
}

// elements scans what follows the opening bracket at i-1 and returns the index behind the closing one.
func (s *scanner) elements(i int, ends []uint32) (int, []uint32, error) {
	if next := skipSpace(s.text, i); next < len(s.text) && s.text[next] == ']' {
		return next + 1, ends, nil
	}
	for {
		end, err := s.value(i)
		if err != nil {
			return 0, nil, err
		}
		ends = append(ends, uint32(end)) // messages are far below 4 GiB
		i = skipSpace(s.text, end)
		switch {
		case i < len(s.text) && s.text[i] == ',':
			i++
		case i < len(s.text) && s.text[i] == ']':
			return i + 1, ends, nil
		default:
			return 0, nil, refuse(InvalidJSON, i)
		}
	}
}

// whole scans one value that begins at i and must be followed by nothing but white space.
func (s *scanner) whole(i int) (end int, err error) {
	if end, err = s.value(i); err != nil {
		return 0, err
	}
	if i = skipSpace(s.text, end); i < len(s.text) {
		return 0, refuse(TrailingBytes, i)
	}
	return end, nil
}

// value scans the value that begins at or after i and returns the index behind it.
func (s *scanner) value(i int) (int, error) {
	var err error
	for outer := s.depth; ; {
		i = skipSpace(s.text, i)
		opened := false
		if i < len(s.text) && (s.text[i] == '{' || s.text[i] == '[') {
			i, opened, err = s.open(i)
		} else {
			i, err = s.scalar(i)
		}
		if err == nil && !opened {
			i, err = s.next(i, outer)
		}
		if i-s.rested > restBytes {
			s.rested = i
			runtime.Gosched()
		}
		if err != nil || s.depth == outer && !opened {
			return i, err
		}
	}
}

// open scans the beginning of a container up to its first value. It reports false when the container is over by then: it
// was empty, or a placeholder.
func (s *scanner) open(i int) (int, bool, error) {
	object := s.text[i] == '{'
	if object && s.attachments != notCounted {
		if num, end, ok := matchPlaceholder(s.text, i); ok {
			return end, false, s.placeholder(num, i)
		}
	}
	if s.depth++; s.depth > s.maxDepth {
		return i, false, refuse(TooDeep, i)
	}
	word, bit := (s.depth-1)/64, uint64(1)<<((s.depth-1)%64)
	s.objects[word] &^= bit
	if object {
		s.objects[word] |= bit
	}
	i = skipSpace(s.text, i+1)
	if i < len(s.text) && s.text[i] == s.closing() {
		s.depth--
		return i + 1, false, nil
	}
	if !object {
		return i, true, nil
	}
	i, err := s.key(i)
	return i, true, err
}

// next scans what follows a value: it closes the containers that end here down to the depth outer, or moves to the next
// value of the innermost one.
func (s *scanner) next(i, outer int) (int, error) {
	for s.depth > outer {
		i = skipSpace(s.text, i)
		switch {
		case i >= len(s.text):
			return i, refuse(InvalidJSON, i)
		case s.text[i] == s.closing():
			s.depth--
			i++
		case s.text[i] != ',':
			return i, refuse(InvalidJSON, i)
		case s.inObject():
			return s.key(skipSpace(s.text, i+1))
		default:
			return i + 1, nil
		}
	}
	return i, nil
}

// key scans the name of a member and its colon.
func (s *scanner) key(i int) (int, error) {
	if i >= len(s.text) || s.text[i] != '"' {
		return i, refuse(InvalidJSON, i)
	}
	end, escaped, err := s.quoted(i)
	if err != nil {
		return i, err
	}
	colon := skipSpace(s.text, end)
	if colon >= len(s.text) || s.text[colon] != ':' {
		return i, refuse(InvalidJSON, colon)
	}
	// A well-formed placeholder was recognised as a whole before. Node takes every object with this member for a
	// placeholder, so any other form is either a mistake or meant to be read in two ways.
	if s.attachments != notCounted && isPlaceholderKey(s.text[i:end], escaped) {
		if c := (cursor{s.text, colon + 1}); c.take("true") {
			return i, refuse(BadPlaceholder, i)
		}
	}
	return colon + 1, nil
}

// placeholder notes that attachment num belongs at i.
func (s *scanner) placeholder(num, i int) error {
	if num >= s.attachments {
		return refuse(PlaceholderRange, i)
	}
	word, bit := num/64, uint64(1)<<(num%64)
	if s.named[word]&bit != 0 {
		return refuse(PlaceholderTwice, i)
	}
	s.named[word] |= bit
	s.found++
	return nil
}

func (s *scanner) inObject() bool {
	return s.objects[(s.depth-1)/64]&(1<<((s.depth-1)%64)) != 0
}

func (s *scanner) closing() byte {
	if s.inObject() {
		return '}'
	}
	return ']'
}
