package receipt

import "fmt"

// What a receipt claims, in the order in which Verify looks at it.
const (
	ClaimFile       = "file"       // it is a receipt
	ClaimStatement  = "statement"  // it holds a well-formed statement
	ClaimCheckpoint = "checkpoint" // the log's keys signed a size and a root
	ClaimTime       = "time"       // when they did
	ClaimInclusion  = "inclusion"  // the statement is in that tree, at that index
	ClaimSignature  = "signature"  // keys that could publish there and then signed it
	ClaimPlace      = "place"      // it was made for that log
	ClaimCity       = "city"       // by the log's owner
	ClaimBody       = "body"       // the body is what was signed
	ClaimWitness    = "witness"    // others have seen the same log
	ClaimAuthority  = "authority"  // who says whose keys count
)

// FalseError says that a claim was checked and does not hold: verification failed
// (exit code 1).
type FalseError struct {
	Claim string
	Err   error
}

func (e *FalseError) Error() string {
	return fmt.Sprintf("receipt is false: %s: %v", e.Claim, e.Err)
}

// Unwrap returns the cause.
func (e *FalseError) Unwrap() error { return e.Err }

// CouldNotTellError says that a claim could not be checked, by this program or with
// what it was given: it is neither true nor false (exit code 3).
type CouldNotTellError struct {
	Claim string
	Err   error
}

func (e *CouldNotTellError) Error() string {
	return fmt.Sprintf("could not tell whether the receipt is true: %s: %v", e.Claim, e.Err)
}

// Unwrap returns the cause.
func (e *CouldNotTellError) Unwrap() error { return e.Err }
