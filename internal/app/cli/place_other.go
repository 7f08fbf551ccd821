//go:build !unix

package cli

// access is left to the first write where permissions are more than can be asked for in a word.
func access(string) error { return nil }
