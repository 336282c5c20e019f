"""The words around an answer in other languages than English: "答案是", "La respuesta es", "です".

As in English, what they frame must be an option as a whole: "no es", "不是" and "ではない" frame none.
"""

from __future__ import annotations

CHINESE = (
    r"(?:[综綜]上(?:所述)?|[总總]之|所以|因此|那[么麼]|故|于是|根据[^,.。]{1,20})?,? ?"
    r"(?:我(?:[认認][为為]|[觉覺]得|想|猜|听到的?))?"
    r"(?:[【\[](?:正[确確]|最[终終])?答案[】\]]"
    r"|(?:我的)?(?:正[确確]|最[终終]|最佳)?的?(?:答案|[选選][项項]|回答|[结結]果|答|解)"
    r"(?:(?:[应應][该該]|就)?[是为為选選]|:| )"
    r"|(?:本[题題])?(?:[应應][该該]?)?我?[选選][择擇]?"
    r"|(?:这个|[它这那這]段)?(?:音频|[录錄]音|片段)[中里裡]是"
    r"|(?:[它这那這]个?|(?:这个|[它这那這]段)?(?:音频|[录錄]音|片段)?[中里裡]?的?(?:[声聲]音|[动動]物"
    r"|[乐樂]器|情[绪緒]|人))?"
    r"(?:(?:最|很)?可能|[应應][该該]|[听聽]起[来來]|大概|就|[绝絕][对對]|肯定|一定|明[显顯])?[是像]):? ?"
)
JAPANESE = (
    r"(?:(?:したがって|よって|だから|そのため)[,.]? ?)?(?:正しい|最も適切な|最終的な)?"
    r"(?:答え|正解|解答|回答|選択肢|もの|の|[こそ]れ|(?:この)?[音声])[はが] ?:? ?|音声から,? ?"
)
NOUN = (
    r"(?:antwort|respuesta|opci[oó]n|r[eé]ponse|risposta|resposta|antwoord|ответ|정?답|答え|正解|解答"
    r"|الإجابة|الجواب|उत्तर|जवाब|вариант|l[oö]sung|cevap|yan\u0131t|đáp án"
    r"|jawaban(?:nya)?|odpowiedź|odpověď|відповідь"
    r"|svar(?:et)?"
    r"|răspuns(?:ul)?|válasz|vastaus|απάντηση|התשובה|پاسخ|คำตอบ)"
)
ANSWER_IS = (
    r"(?:(?:따라서|그러므로|그래서|इसका) )?"
    r"(?:richtig ist |(?:die |la |a |het )?"
    r"(?:(?:richtige|korrekte|bonne|правильный|верный|सही|正しい|doğru|prawidłowa|rätt) ?)?"
    rf"{NOUN}(?: (?:correct[ae]?|corretta|correta|certa|finale?|الصحيحة))?"
    r"(?: (?:es|est|è|é|ist|lautet|is|هي|هو|है|adalah|là|är|to|היא)(?: ?: ?| )"
    r"(?:(?:la|le|el|il|a|die) (?=\(?[a-z]\)?\.?$))?"
    r"| ?[은는は] ?:? ?| ?: ?| - (?!\d)|คือ ?|(?<=उत्तर) |(?<=जवाब) |(?<=cevap) ))"
)
IT_IS = (
    r"(?:(?:creo|pienso) que |je (?:pense|crois) que |ich (?:glaube|denke),? |я думаю,? (?:что )?"
    r"|скорее всего,? )?"
    r"(?:(?:el sonido es|das geräusch ist|meiner meinung nach ist es|le son est|звук -|إنه|الصوت هو|هذا صوت"
    r"|यह|이 소리는|c'est|es ist|das ist|es|é|è|bestimmt|suena como|это) (?!not\b))"
)
I_THINK = r"(?:제 생각에는|\u0623\u0639\u062a\u0642\u062f \u0623\u0646)"
THE_ANSWER_IS = rf"(?:{CHINESE}|{JAPANESE}|{ANSWER_IS})"
TAIL = (
    r"(?:的?(?:声音|叫声|声)| ?是?(?:正[确確]|[对對])(?:的?(?:答案|[选選][项項])|的)?|だ?と思います"
    r"|(?:の(?:鳴き声|声|音))?(?:です|だ)"
    r"|が(?:正しい|正解)(?:です)?|(?: ?소리)?(?:입니다|[예에]요|인 것 같습니다)"
    r"|번입니다| है)"
)
MEASURES = r"(?<=[0-9一二三四五六七八九十两兩])[次个個声聲下回度]"
A = r"一(?:[只個个隻条條头頭匹位])(?=.)"  # "a", "an"
HEARD = (
    r"(?:ich höre|man hört|se (?:oye|escucha)|on entend|j'entends|si sente"
    r"|(?:на записи )?слыш(?:на|ен|но|ны)|ouve-se)"
)
IS_HEARD = r"が聞こえ(?:ます|る)"
CONTRASTS = (
    r"(?:答案)?[它这那]?不是(?P<other>.+?),? ?而?(?:应该)?是(?P<answer>.+)",
    r"(?P<answer>.+?)(?:, ?而?不[是选選]|而(?:不是|非))(?P<other>.+)",
    r"(?P<other>.+?)(?:では|じゃ)なくて?,? ?(?P<answer>.+)",
    r"(?P<other>.+?)[이가]? 아니라,? (?P<answer>.+)",
    r"no es (?P<other>.+?), (?:es|sino) (?P<answer>.+)",
    r"(?:es ist )?(?:nicht|kein(?:e[nmrs]?)?) (?P<other>.+?), sondern (?P<answer>.+)",
    r"(?:es ist )?(?P<answer>.+?), (?:nicht|kein(?:e[nmrs]?)?) (?P<other>.+)",
    r"ce n'est pas (?P<other>.+?),? (?:mais|c'est) (?P<answer>.+)",
    r"(?:c'est )?(?P<answer>.+?), (?:et )?pas (?P<other>.+)",
    r"(?:это )?не (?P<other>.+?), \u0430 (?P<answer>.+)",
    r"(?:это )?(?P<answer>.+?), (?:\u0430 )?не (?P<other>.+)",
)
