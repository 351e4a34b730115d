/// A date of the Gregorian calendar, which is taken to hold for ever in both directions.
struct CivilDate: Equatable, Sendable {
  var year: Int
  /// 1 to 12.
  var month: Int
  /// 1 to 31.
  var day: Int

  init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// The date `days` days after 1970-01-01.
  init(daysSince1970 days: Int) {
    // Count in years that begin on March 1st, so that the leap day comes last; 0000-03-01 is 719,468 days before 1970.
    let total = days + 719_468
    let era = (total >= 0 ? total : total - 146_096) / 146_097
    let dayOfEra = total - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Days since 1970-01-01. Months outside 1 to 12 count as the nearest one.
  var daysSince1970: Int {
    let month = min(max(month, 1), 12)
    let marchYear = month <= 2 ? year - 1 : year
    let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// 1 (Sunday) to 7.
  static func weekday(daysSince1970 days: Int) -> Int { ((days + 4) % 7 + 7) % 7 + 1 }
}
