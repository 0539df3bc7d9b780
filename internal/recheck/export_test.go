package recheck

import "fmt"

// FlipMemory flips a bit in each part of what a Checker remembers, for one part a call. It returns what it flipped,
// empty when there are no more parts.
func (c *Checker) FlipMemory(part int) string {
	type region struct {
		name string
		flip func()
	}
	regions := []region{
		{"the index of the next entry", func() { c.at.next ^= 1 }},
		{"where the next entry begins", func() { c.at.end ^= 1 << 3 }},
		{"where the bundle begins", func() { c.bundle ^= 1 << 2 }},
		{"where an entry ends", func() { c.ends[0] ^= 1 << 31 }},
	}
	for i := range c.tree.peaks {
		regions = append(regions,
			region{fmt.Sprint("the hash of peak ", i), func() { c.tree.peaks[i].hash[31] ^= 1 }},
			region{fmt.Sprint("the height of peak ", i), func() { c.tree.peaks[i].height ^= 1 }})
	}
	row := c.tree.rows[0] // those above are first used when 65,536 leaves are there
	for i := range row {
		regions = append(regions, region{fmt.Sprintf("hash %d of the unfinished tile", i), func() { row[i][0] ^= 128 }})
	}
	if part >= len(regions) {
		return ""
	}
	regions[part].flip()
	return regions[part].name
}

// FlipRow flips a bit of a hash of the unfinished tile of a level.
func (c *Checker) FlipRow(level, i int) { c.tree.rows[level][i][7] ^= 4 }
