package declaration

import (
	"crypto/sha256"
	"fmt"
)

// UploadStatement is what a publisher signs, with Ed25519 and nothing around it,
// to store an attachment at a node. It begins unlike any DSSE encoding or note.
func UploadStatement(origin string, sum [sha256.Size]byte, size uint32, signedAt int64) []byte {
	return fmt.Appendf(nil, "cityproof-attachment/v1\n%s\n%x\n%d\n%d\n", origin, sum, size, signedAt)
}
