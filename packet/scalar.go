package packet

// scalar scans a string, a number or a literal at i and returns the index behind it.
func (s *scanner) scalar(i int) (int, error) {
	if i >= len(s.text) {
		return i, refuse(InvalidJSON, i)
	}
	switch c := s.text[i]; c {
	case '"':
		end, _, err := s.quoted(i)
		return end, err
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scanner) literal(i int, word string) (int, error) {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return i, refuse(InvalidJSON, i)
	}
	return i + len(word), nil
}

// quoted scans the string whose opening quote is at i, and tells whether it holds escapes. Single surrogates pass, as in
// JavaScript.
func (s *scanner) quoted(i int) (end int, escaped bool, err error) {
	for i++; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			return i + 1, escaped, nil
		case c == '\\':
			escaped = true
			if i = escape(s.text, i); i < 0 {
				return 0, false, refuse(InvalidJSON, len(s.text))
			}
		case c < ' ':
			return 0, false, refuse(InvalidJSON, i)
		}
	}
	return 0, false, refuse(InvalidJSON, i)
}

// escape returns the index of the last byte of the escape sequence at i, or a negative number when it is none.
func escape(text []byte, i int) int {
	if i+1 >= len(text) {
		return -1
	}
	switch text[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 >= len(text) || !hex(text[i+2]) || !hex(text[i+3]) || !hex(text[i+4]) || !hex(text[i+5]) {
			return -1
		}
		return i + 5
	default:
		return -1
	}
}

// number scans a number by the grammar of RFC 8259, section 6.
func (s *scanner) number(i int) (int, error) {
	start := i
	if i < len(s.text) && s.text[i] == '-' {
		i++
	}
	whole := i
	if i = run(s.text, i); i == whole || s.text[whole] == '0' && i > whole+1 {
		return i, refuse(InvalidJSON, start)
	}
	if i < len(s.text) && s.text[i] == '.' {
		fraction := i + 1
		if i = run(s.text, fraction); i == fraction {
			return i, refuse(InvalidJSON, start)
		}
	}
	if i < len(s.text) && s.text[i]|0x20 == 'e' {
		exponent := i + 1
		if exponent < len(s.text) && (s.text[exponent] == '+' || s.text[exponent] == '-') {
			exponent++
		}
		if i = run(s.text, exponent); i == exponent {
			return i, refuse(InvalidJSON, start)
		}
	}
	return i, nil
}

// run returns the index of the first byte from i on that is no digit.
func run(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}

// digits reads a whole number at i and returns the index behind it, i itself when there is none. A number above MaxID comes
// back as MaxID+1.
func digits(text []byte, i int) (value uint64, end int) {
	end = run(text, i)
	for _, c := range text[i:end] {
		if value = value*10 + uint64(c-'0'); value > MaxID {
			return MaxID + 1, end
		}
	}
	return value, end
}

// skipSpace returns the index of the first byte from i on that is no white space of JSON.
func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

func hex(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f'
}
