//go:build ringrogue

package ringnode

// SetLiar makes a liar of the node that New will make of c.
func (c *Config) SetLiar(l *Liar) { c.liar = l }
