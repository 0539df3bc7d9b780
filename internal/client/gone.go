package client

import (
	"bytes"
	"errors"
	"fmt"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

// CheckGone finds out whether the answer of a server that has erased a body (a
// *GoneError's) proves that it did so by right: it must be the receipt of an erasure
// notice in the same log about that leaf and that body. Anything else means that the
// body is missing (threat T-36). It returns the notice and its index.
func CheckGone(answer []byte, t *receipt.Trust, st *declaration.Statement, leaf proof.Hash) (*declarationv1.Notice, uint64, error) {
	fail := func(err error) (*declarationv1.Notice, uint64, error) {
		return nil, 0, fmt.Errorf("checking an erasure: %w", err)
	}
	r, err := receipt.Parse(answer)
	if err != nil {
		return fail(err)
	}
	v, err := receipt.Verify(r, t)
	if err != nil {
		return fail(err)
	}
	if err := erases(v.Body, st, leaf); err != nil {
		return fail(fmt.Errorf("entry %d: %w", v.Index, err))
	}
	return v.Body.GetNotice(), v.Index, nil
}

// erases checks that a body is an erasure notice about the body of a leaf.
func erases(body *declarationv1.Body, st *declaration.Statement, leaf proof.Hash) error {
	n := body.GetNotice()
	switch e := n.GetErasure(); {
	case n.GetType() != declarationv1.NoticeType_NOTICE_TYPE_ERASURE || e == nil:
		return errors.New("it is no erasure notice")
	case !bytes.Equal(e.GetBodySha256(), st.BodySHA256[:]):
		return errors.New("the erasure notice is about another body")
	case !bytes.Equal(e.GetLeaf(), leaf[:]):
		return errors.New("the erasure notice is about another leaf")
	}
	return nil
}
