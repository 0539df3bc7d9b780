package declaration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/declaration"
)

// oracleDate counts days as the calendar says, without package time.
func oracleDate(s string) bool {
	if !datePattern.MatchString(s) {
		return false
	}
	if len(s) < 10 {
		return true
	}
	var year, month, day int
	if _, err := fmt.Sscanf(s, "%d-%d-%d", &year, &month, &day); err != nil {
		return false
	}
	days := []int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && (year%4 == 0 && year%100 != 0 || year%400 == 0) {
		days = 29
	}
	return day <= days
}

// TestParseDateKnowsTheCalendar tries every day that could be written in 1,000
// years around leap centuries, and some that no year has.
func TestParseDateKnowsTheCalendar(t *testing.T) {
	for year := 1895; year <= 2405; year++ {
		for month := range 14 {
			for day := range 33 {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				d, err := declaration.ParseDate(s)
				if got, want := err == nil, oracleDate(s); got != want {
					t.Fatalf("ParseDate(%q) = %v, %v; want accepted: %v", s, d, err, want)
				}
				if err == nil && d != (declaration.Date{Year: year, Month: month, Day: day}) {
					t.Fatalf("ParseDate(%q) = %+v", s, d)
				}
			}
		}
	}
}

func TestDateRange(t *testing.T) {
	for _, c := range []struct{ date, first, last string }{
		{"2026", "2026-01-01", "2026-12-31"},
		{"2026-11", "2026-11-01", "2026-11-30"},
		{"2026-12", "2026-12-01", "2026-12-31"},
		{"2027-02", "2027-02-01", "2027-02-28"},
		{"2028-02", "2028-02-01", "2028-02-29"},
		{"2100-02", "2100-02-01", "2100-02-28"},
		{"2000-02", "2000-02-01", "2000-02-29"},
		{"2028-02-29", "2028-02-29", "2028-02-29"},
		{"1000", "1000-01-01", "1000-12-31"},
		{"9999-12", "9999-12-01", "9999-12-31"},
	} {
		d, err := declaration.ParseDate(c.date)
		if err != nil {
			t.Fatal(err)
		}
		first, last := d.First().Format(time.RFC3339), d.Last().Format(time.RFC3339)
		if first != c.first+"T00:00:00Z" || last != c.last+"T00:00:00Z" {
			t.Errorf("%s runs from %s to %s, want %s to %s", c.date, first, last, c.first, c.last)
		}
	}
}

func TestParseDateRefuses(t *testing.T) {
	for _, s := range []string{
		"", "0", "026", "0000", "0999", "0999-12", "0999-12-31", "10000", "-2026", "+2026", " 2026", "2026 ", "2026\n", "2026-", "2026-0", "2026-00",
		"2026-13", "2026-1", "2026/11", "2026:11", "2026-+1", "2026--1", "2026-11-", "2026-11-0", "2026-11-00", "2026-11-31", "2026-11-1 ", "2026-11 01",
		"2026-+1-01", "2026-01-+1", "2026-W47-1", "2026-327", "２０２６", "2026‐11‐23", "20261123", "23-11-2026", "2026-11-23Z", "2026-11-23T00:00:00Z",
	} {
		if d, err := declaration.ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", s, d)
		}
	}
}

func TestDateOfIsTheDayInUTC(t *testing.T) {
	late := time.Date(2026, 11, 23, 23, 30, 0, 0, time.FixedZone("", -3600))
	if got, want := declaration.DateOf(late).String(), "2026-11-24"; got != want {
		t.Errorf("DateOf(%v) = %s, want %s", late, got, want)
	}
	if s := (declaration.Date{}).String(); s != "" {
		t.Errorf("no date prints as %q", s)
	}
}
