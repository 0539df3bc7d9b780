package proof

// InclusionPath computes the path from the leaf at index to the root of the tree of all leaves, as VerifyInclusion takes it
// (RFC 9162, section 2.1.3.1). It hashes the whole tree once. index must be below the number of leaves.
func InclusionPath(leaves []Hash, index int) []Hash {
	if len(leaves) <= 1 {
		return nil
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	if index < k {
		return append(InclusionPath(leaves[:k], index), rootOf(leaves[k:]))
	}
	return append(InclusionPath(leaves[k:], index-k), rootOf(leaves[:k]))
}

func rootOf(leaves []Hash) Hash {
	var r Range
	for _, leaf := range leaves {
		r.Append(leaf)
	}
	return r.Root()
}
