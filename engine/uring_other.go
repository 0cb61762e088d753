//go:build !linux

package engine

import "errors"

// sendRing is there on Linux only.
type sendRing struct{}

func newSendRing(int) (*sendRing, error)   { return nil, errors.ErrUnsupported }
func (*sendRing) add(int, []byte)          {}
func (*sendRing) submit() ([]int32, error) { return nil, errors.ErrUnsupported }
func (*sendRing) close()                   {}
