package client

import (
	"crypto/sha256"
	"fmt"
)

// MirrorURL is where the node at an address serves its copy of the log with an origin, and the head it cosigned as its mirror.
func MirrorURL(node, origin string) string { return placeOf(node, "mirror", origin) }

// WitnessURL is where the node at an address serves the head that it cosigned as a witness of the log with an origin.
func WitnessURL(node, origin string) string { return placeOf(node, "witness", origin) }

func placeOf(node, what, origin string) string {
	return fmt.Sprintf("%s/%s/%x", node, what, sha256.Sum256([]byte(origin)))
}
