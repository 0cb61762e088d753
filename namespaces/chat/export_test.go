package chat

// WithJoins returns the configuration with another allowance for what joins make the server send to one user.
func (c Config) WithJoins(burst, perSecond int) Config {
	c.joinBurst, c.joinRate = burst, perSecond
	return c
}
