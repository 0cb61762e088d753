package packet

// Pending reports whether attachments of a packet are still awaited.
func (d *Decoder) Pending() bool { return d.pending != nil }
