package draft

// References lists what the draft names: subjects and nicknames of other records,
// and the target of an amendment.
func (d *Draft) References() []string {
	var out []string
	if d.Target != "" {
		out = append(out, d.Target)
	}
	for _, ref := range references(d.Body) {
		out = append(out, ref.value)
	}
	return out
}
