package bencode

import "fmt"

// Reason says what is wrong with an input.
type Reason uint8

// The hard reasons come first; those from LeadingZeroLength on are soft: tolerated unless Limits.Strict is set.
const (
	None              Reason = iota
	ExpectedDigit            // an integer or a key's length lacks a digit here
	ExpectedColon            // a string's length is not followed by ':'
	ExpectedValue            // no value starts with this byte
	UnexpectedEOF            // the input ends inside a value, or a string is longer than what is left
	Overflow                 // a length above 2^63-1, or an integer of more than 20 digits
	NegativeZero             // i-0e, or zeros after a minus sign
	DepthExceeded            // nested deeper than Limits.MaxDepth
	LimitExceeded            // larger than Limits.MaxBytes, or more values than Limits.MaxTokens
	TrailingData             // bytes after the value
	LeadingZeroLength        // 03:abc
	LeadingZeroInt           // i01e
	UnsortedKey              // a key smaller than the one before it
	DuplicateKey             // a key equal to the one before it
)

var reasons = [...]string{
	None:              "no error",
	ExpectedDigit:     "expected a digit",
	ExpectedColon:     "expected a colon",
	ExpectedValue:     "expected a value",
	UnexpectedEOF:     "unexpected end of input",
	Overflow:          "number too large",
	NegativeZero:      "negative number starts with zero",
	DepthExceeded:     "nested too deep",
	LimitExceeded:     "input too large",
	TrailingData:      "data after the value",
	LeadingZeroLength: "leading zero in string length",
	LeadingZeroInt:    "leading zero in integer",
	UnsortedKey:       "unsorted dictionary key",
	DuplicateKey:      "duplicate dictionary key",
}

// String returns the reason in words.
func (r Reason) String() string { return reasons[r] }

// Soft reports whether the reason is one that common encoders produce and that only strict readers refuse.
func (r Reason) Soft() bool { return r >= LeadingZeroLength }

// SyntaxError says where and why an input is not valid bencode.
type SyntaxError struct {
	Offset int // of the offending byte in the input
	Reason Reason
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("bencode: %v at byte %d", e.Reason, e.Offset)
}
