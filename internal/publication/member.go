package publication

import (
	"fmt"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// checkMember holds the member's own record to the log that it stands in.
func (c *checker) checkMember(m *declarationv1.Member) {
	if id := m.GetId(); id != "" && id != c.statement.City {
		c.wrong("V-01", "member.id", id, fmt.Sprintf("This is the log of %s, and a member describes only itself.", c.statement.City),
			fmt.Sprintf("Write  id: %s", c.statement.City))
	}
}
