package checkpoint

import (
	"crypto/ed25519"
	"fmt"
	"math/big"
	"slices"
)

// The field and the curve of RFC 8032, section 5.1: -x² + y² = 1 + d·x²·y² modulo p.
var (
	curveP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveD = divMod(big.NewInt(-121665), big.NewInt(121666))
	bigOne = big.NewInt(1)
)

// CheckEd25519Key refuses public keys with which a signature proves nothing or that have a second encoding: points of
// small order (one signature may fit many messages, and implementations differ on which), y not below p (the same
// point has two keys, so "no key twice" could be passed by), and bytes that are no point at all. crypto/ed25519 checks
// none of this up front. Every error wraps ErrMalformed.
func CheckEd25519Key(raw []byte) error {
	if len(raw) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: Ed25519 key has %d bytes, want %d", ErrMalformed, len(raw), ed25519.PublicKeySize)
	}
	// Little-endian y; the top bit is the sign of x.
	b := slices.Clone(raw)
	slices.Reverse(b)
	b[0] &= 0x7f
	y := new(big.Int).SetBytes(b)
	if y.Cmp(curveP) >= 0 {
		return fmt.Errorf("%w: Ed25519 key is not in its canonical encoding", ErrMalformed)
	}
	if big.Jacobi(squareOfX(y), curveP) < 0 {
		return fmt.Errorf("%w: Ed25519 key is not a point of the curve", ErrMalformed)
	}
	// The order divides 8 if three doublings reach the neutral point (0, 1). The second encodings that remain, those
	// with x = 0 and the sign bit set, are of such points as well.
	for range 3 {
		y = doubledY(y)
	}
	if y.Cmp(bigOne) == 0 {
		return fmt.Errorf("%w: Ed25519 key is a point of small order", ErrMalformed)
	}
	return nil
}

// squareOfX solves the curve's equation for x²: (y² - 1) / (d·y² + 1). The divisor is never 0, as -1/d is no square.
func squareOfX(y *big.Int) *big.Int {
	y2 := new(big.Int).Mul(y, y)
	num := new(big.Int).Sub(y2, bigOne)
	den := new(big.Int).Mul(curveD, y2)
	return divMod(num, den.Add(den, bigOne))
}

// doubledY returns y of the doubled point, which needs no sign of x: (y² + x²) / (1 - d·x²·y²).
func doubledY(y *big.Int) *big.Int {
	x2 := squareOfX(y)
	y2 := new(big.Int).Mul(y, y)
	num := new(big.Int).Add(y2, x2)
	den := new(big.Int).Mul(curveD, x2)
	den.Mul(den, y2)
	return divMod(num, den.Sub(bigOne, den))
}

func divMod(num, den *big.Int) *big.Int {
	den = new(big.Int).Mod(den, curveP)
	q := den.ModInverse(den, curveP)
	q.Mul(q, num)
	return q.Mod(q, curveP)
}
