package chat

// WithJoins returns the configuration with another allowance for the answers to one user's joins.
func (c Config) WithJoins(burst, perSecond int) Config {
	c.joinBurst, c.joinRate = burst, perSecond
	return c
}
