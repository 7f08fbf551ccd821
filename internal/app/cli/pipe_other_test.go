//go:build !unix

package cli

import "errors"

// makePipe cannot: pipes have no names in the file system here.
func makePipe(string) error { return errors.ErrUnsupported }
