// Package priority puts publishers before readers where both want the same processors (invariant I8: no visitor can keep
// a city from publishing).
//
// Readers pass a Gate for the time in which their answer is computed, not while it is sent: a slow line holds nothing.
// While something is being published they get a tenth of one core in all, else every core. They wait their turn for a
// bounded time and in bounded number, and are then told to come back. Publishers wait for nobody.
//
// It knows nothing of what is read, counts no visitor, and is no quota: a rate for each address is for the proxy in front.
package priority
