package checkpoint_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

func TestT07SmallOrderKeys(t *testing.T) {
	runVectors(t, "ed25519key.txtar", func(input string) ([]string, error) {
		raw, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		err = checkpoint.CheckEd25519Key(raw)
		if err != nil {
			wantMalformed(t, err)
		}
		// Both types of Ed25519 key go through the check.
		for _, typ := range []checkpoint.KeyType{checkpoint.TypeEd25519, checkpoint.TypeEd25519Cosignature} {
			if _, vkeyErr := checkpoint.NewVKey("a", typ, raw); (vkeyErr == nil) != (err == nil) {
				t.Errorf("NewVKey(%v, %s): %v, but CheckEd25519Key: %v", typ, input, vkeyErr, err)
			}
			s := checkpoint.FormatVKey(checkpoint.VKey{Name: "a", Type: typ, Key: raw})
			if _, vkeyErr := checkpoint.ParseVKey(s); (vkeyErr == nil) != (err == nil) {
				t.Errorf("ParseVKey(%s): %v, but CheckEd25519Key: %v", s, vkeyErr, err)
			}
		}
		return nil, err
	})
}

// What the check is for: under a key of small order crypto/ed25519 takes one signature, made without any private key,
// for many messages.
func TestT07WhySmallOrderKeysAreRefused(t *testing.T) {
	key := make([]byte, 32)
	key[0] = 1 // the neutral point
	sig := make([]byte, 64)
	sig[0] = 1
	for _, msg := range []string{"a", "b", "any message"} {
		if !ed25519.Verify(key, []byte(msg), sig) {
			t.Fatalf("crypto/ed25519 refuses the forged signature of %q; is the check still needed?", msg)
		}
	}
	if err := checkpoint.CheckEd25519Key(key); err == nil {
		t.Error("CheckEd25519Key accepts the neutral point")
	}
}

func TestT07HonestKeysPass(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	seed := make([]byte, ed25519.SeedSize)
	for range 500 {
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		if err := checkpoint.CheckEd25519Key(pub); err != nil {
			t.Errorf("CheckEd25519Key(%x) = %v", pub, err)
		}
	}
}

func BenchmarkCheckEd25519Key(b *testing.B) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	for b.Loop() {
		if err := checkpoint.CheckEd25519Key(key); err != nil {
			b.Fatal(err)
		}
	}
}
