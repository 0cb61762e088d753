package packet

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// ParseArgs makes arguments of JSON values from outside, such as a back end's, in which placeholders
// {"_placeholder":true,"num":n} stand for the attachments. They are checked as a client's are: every attachment has its
// placeholder, in their order. The error is an [*Error], or says that a value is no JSON.
func ParseArgs(values []json.RawMessage, attachments [][]byte, l Limits) (Args, error) {
	text := []byte{'0' + byte(Event)}
	if n := len(attachments); n > 0 {
		text = append(strconv.AppendInt([]byte{'0' + byte(BinaryEvent)}, int64(n), 10), '-')
	}
	text = append(text, `["args"`...)
	for i, value := range values {
		if !json.Valid(value) {
			return Args{}, fmt.Errorf("argument %d is no JSON", i+1)
		}
		text = append(append(text, ','), value...)
	}
	d := NewDecoder(l)
	p, complete, err := d.Text(append(text, ']'))
	for i := 0; err == nil && i < len(attachments); i++ {
		p, complete, err = d.Binary(attachments[i])
	}
	if err != nil {
		return Args{}, err
	}
	if !complete {
		return Args{}, refuse(AttachmentsAwaited, 0)
	}
	return p.Args, nil
}
