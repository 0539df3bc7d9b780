package declaration

import (
	"fmt"
	"time"

	"github.com/cityproof/cityproof/internal/canonical"
)

// Date is a day, or a month or year of which no more is known: Day, then Month,
// are 0 where the text doesn't give them. The zero value is no date.
type Date struct {
	Year, Month, Day int
}

// ParseDate reads YYYY, YYYY-MM or YYYY-MM-DD, a date that exists, in the years
// 1000 to 9999.
func ParseDate(s string) (Date, error) {
	var d Date
	var ok bool
	switch len(s) {
	case 4:
		d.Year, ok = digits(s)
	case 7:
		if d.Year, ok = digits(s[:4]); ok && s[4] == '-' {
			d.Month, ok = digits(s[5:])
		} else {
			ok = false
		}
	case 10:
		t, err := time.Parse(time.DateOnly, s)
		d, ok = Date{t.Year(), int(t.Month()), t.Day()}, err == nil
	}
	if !ok || d.Year < 1000 || (len(s) == 7 && (d.Month < 1 || d.Month > 12)) {
		return Date{}, fmt.Errorf("%s is no date: want YYYY, YYYY-MM or YYYY-MM-DD", canonical.Quote(s))
	}
	return d, nil
}

func digits(s string) (int, bool) {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func (d Date) String() string {
	switch {
	case d.Year == 0:
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// First is the first day that d may mean, at midnight UTC.
func (d Date) First() time.Time {
	return time.Date(d.Year, time.Month(max(d.Month, 1)), max(d.Day, 1), 0, 0, 0, 0, time.UTC)
}

// Last is the last day that d may mean, at midnight UTC.
func (d Date) Last() time.Time {
	switch {
	case d.Month == 0:
		return time.Date(d.Year, time.December, 31, 0, 0, 0, 0, time.UTC)
	case d.Day == 0:
		return time.Date(d.Year, time.Month(d.Month)+1, 0, 0, 0, 0, 0, time.UTC)
	}
	return d.First()
}

// DateOf is t's day in UTC.
func DateOf(t time.Time) Date {
	t = t.UTC()
	return Date{t.Year(), int(t.Month()), t.Day()}
}
